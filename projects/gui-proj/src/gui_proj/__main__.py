"""The command `gui-proj`: reads options and settings, wires the app, runs it."""

import argparse
import asyncio
import os
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from gui_proj.settings import Settings

_DAWDLING = 1.5


def main() -> None:
    """Run the GUI in this terminal. Exit code 0 after a quit, 2 for bad options or settings."""
    arguments = _options().parse_args()
    from pydantic import ValidationError  # after --help and --version, which need none of it

    from gui_proj.settings import Settings, unknown_variables

    if unknown := unknown_variables(os.environ):
        _refuse(f"unknown setting {', '.join(unknown)}: see gui-proj --help for those that exist")
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        _refuse(f"--{name.replace('_', '-')} (GUI_{name.upper()}): {first['msg'].removeprefix('Value error, ')}")
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):  # Textual draws on stderr
        _refuse("this is a screen for a terminal: run it in one, or use cli-proj in scripts")
    raise SystemExit(_run(settings))


def _run(settings: "Settings") -> int:
    from textual.theme import BUILTIN_THEMES

    from gui_proj.app import GuiApp
    from gui_proj.backend import HttpBackend

    if settings.theme not in BUILTIN_THEMES:
        _refuse(f"--theme (GUI_THEME): there is no theme {settings.theme!r}: try {', '.join(sorted(BUILTIN_THEMES))}")
    app = GuiApp(HttpBackend(settings), theme=settings.theme)

    async def show() -> None:
        await app.run_async()
        # Python waits at its end for threads that may hang in a name lookup. A quit must not: leave them behind.
        leave = threading.Timer(_DAWDLING, os._exit, args=(app.return_code or 0,))
        leave.daemon = True
        leave.start()

    asyncio.run(show())
    return app.return_code or 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gui-proj",
        description="Sign in and watch shipments live, in the terminal.",
        epilog="Settings can also come from the environment: GUI_ISSUER, GUI_APP_URL, GUI_CLIENT_ID, "
        "GUI_STATE_DIR, GUI_KEYRING, GUI_THEME. Inside, press ? for the keys.",
    )
    parser.add_argument("--issuer", metavar="URL", help="the authorization server (default http://127.0.0.1:8400)")
    parser.add_argument("--app-url", metavar="URL", help="the shipments API (default http://127.0.0.1:8401)")
    parser.add_argument("--client-id", metavar="ID", help="the OAuth client to be (default gui-proj)")
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="where the session is kept")
    parser.add_argument("--theme", metavar="NAME", help="colours at start, such as textual-light (default tokyo-night)")
    parser.add_argument("--version", action="version", version=f"gui-proj {version('gui-proj')}")
    return parser


def _refuse(line: str) -> NoReturn:
    print(f"gui-proj: {line}", file=sys.stderr)  # noqa: T201 - the answer to the person who started it
    raise SystemExit(2)


if __name__ == "__main__":
    main()
