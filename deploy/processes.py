"""Child processes under watch: start, restart, stop, and what must hold before a first one may start."""

import contextlib
import ctypes
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class StartError(Exception):
    """Something the reader can mend; the text says how. It is printed as it is, without a traceback."""


class Process:
    """One part of the system: started, watched, started again if it dies, and stopped."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.name, self.command, self.environment, self.log = name, command, environment, log
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at: list[float] = []

    def start(self) -> None:
        """Start it. Its output goes to the log, its own session keeps the terminal's Ctrl-C for us."""
        self._started_at = [*self._started_at[-3:], time.monotonic()]
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if _prctl else None,  # noqa: PLW1509 - there are no threads here
            )

    @property
    def pid(self) -> int:
        """The process id; it changes when the part is started again."""
        return self._child.pid if self._child else 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with, negative for a signal; None while it runs."""
        return self._child.poll() if self._child else None

    def hopeless(self) -> bool:
        """Whether it has died four times within a minute: another start would not help."""
        return len(self._started_at) == 4 and self._started_at[-1] - self._started_at[0] < 60

    def last_words(self) -> str:
        """The end of the log, for the reader who has to mend it."""
        lines = self.log.read_text(errors="replace").splitlines()[-8:] if self.log.exists() else []
        return "\n".join("    " + line for line in lines)

    def stop(self, patience: float = 5.0) -> None:
        """Ask it to stop, and see to it."""
        if self._child is None or not self.alive:
            return
        self._child.terminate()
        try:
            self._child.wait(patience)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


_prctl: Any = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Linux: have the kernel end this child when main.py is killed, so that no port stays taken."""
    _prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


@contextlib.contextmanager
def only_instance(data: Path) -> Iterator[None]:
    """Hold the data folder: two systems on one database and one JetStream store would spoil both."""
    with (data / "main.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise StartError(
                f"The system already runs on {data} (process {lock.read().strip() or 'unknown'}). "
                "Stop it with Ctrl-C, or give this one another --data-dir and other ports."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def require_free(port: int, option: str) -> None:
    """Refuse a port that somebody else listens on, before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(f"Port {port} cannot be used ({error.strerror}). Choose another with {option}.") from None


def ready(port: int) -> bool:
    """Whether the service on this port says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def listening(port: int) -> bool:
    """Whether anybody listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
