"""Whether there is a browser here that somebody can see."""

import os
import sys
import webbrowser
from collections.abc import Mapping


def has_browser(environment: Mapping[str, str] = os.environ, *, platform: str = sys.platform) -> bool:
    """Whether opening a page would show it to the person who typed the command.

    BROWSER decides where it is set. Over SSH a browser would open on the other machine; without a display (Linux and
    its kin) there is none, apart from those that take over the terminal.
    """
    if environment.get("BROWSER"):
        return _known()
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    if platform not in ("darwin", "win32") and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        return False
    return _known()


def _known() -> bool:
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
