"""What holds for every run of the tests."""

import os
import tempfile
from pathlib import Path

import structlog

MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a folder of its own in it
ROOM = 4 * 2**30
"""Bytes that have to be free there."""


def _is_fit() -> bool:
    if not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize > ROOM and not found.f_flag & os.ST_NOEXEC


# Temporary folders are in memory where there is room: databases wait for the disk at each commit, thousands of times,
# and nothing here tells a disk from memory. The workers of pytest-xdist and all processes of the tests inherit it.
if "TMPDIR" not in os.environ and _is_fit():
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# Tracebacks in the log are plain text: rich draws each with all locals, which takes half a second of a core.
*_before, _ = structlog.get_config()["processors"]
_plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*_before, _plain])
