"""The program itself, in a terminal of its own."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_it_opens_without_services_and_quits_at_once(tmp_path: Path, key: bytes) -> None:
    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GUI_")}
    environ = clean | {"GUI_ISSUER": "http://127.0.0.1:1", "GUI_STATE_DIR": str(tmp_path), "GUI_KEYRING": "false"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gui_proj"],
        env=environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        seen = b""
        deadline = time.monotonic() + 30
        while b"does not answer at" not in seen and time.monotonic() < deadline:
            seen += _read(ours)
        assert b"does not answer at" in seen
        os.write(ours, key)
        while process.poll() is None and time.monotonic() < deadline:
            seen += _read(ours)
        assert process.returncode == 0
        assert b"Traceback" not in seen
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], 0.1)
    try:
        return os.read(terminal, 65536) if ready else b""
    except OSError:  # Linux says so when the other side has closed
        return b""
