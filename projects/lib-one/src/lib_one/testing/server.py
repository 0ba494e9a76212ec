"""A real nats-server for a test, on a free port, with its data in a temporary folder."""

import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from lib_one.nats.embedded import EmbeddedServer


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses at this moment.

    It lies below the range from which systems take the ports of outgoing connections, so that none of those can sit on
    it before the server of the test does, or while that server is down.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class NatsServer:
    """A running nats-server. Stop, kill and start it to play an outage: port, keys and data stay the same."""

    def __init__(self, folder: Path, *, open_door: bool, websocket: bool) -> None:
        self._server = EmbeddedServer(
            folder,
            port=free_port(),
            websocket_port=free_port() if websocket else None,
            guest="operator" if open_door else None,
        )

    @property
    def url(self) -> str:
        """`nats://127.0.0.1:<port>`."""
        return self._server.url

    @property
    def websocket_url(self) -> str:
        """`ws://127.0.0.1:<port>`, if it has one."""
        return f"ws://127.0.0.1:{self._server.websocket_port}"

    def seed(self, user: str) -> str:
        """The nkey seed of a user: `auth-svc`, `app-svc`, `operator`, `system`."""
        return self._server.seed(user)

    def seed_file(self, user: str) -> Path:
        """The file with that seed, as a service gets it."""
        return self._server.seed_file(user)

    async def start(self) -> None:
        """Start it again, and wait until it takes connections."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop it in good order."""
        await self._server.stop()

    async def kill(self) -> None:
        """Kill it, as a crash would."""
        await self._server.kill()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop its process for the length of the block: connections stand, and nothing answers."""
        self._server.freeze()
        try:
            yield
        finally:
            self._server.thaw()

    async def wipe(self) -> None:
        """Kill it and delete all streams, as the loss of a disk would."""
        await self._server.kill()
        self._server.wipe()


@asynccontextmanager
async def nats_server(
    *, open_door: bool = True, running: bool = True, websocket: bool = False
) -> AsyncIterator[NatsServer]:
    """Run a nats-server for the length of the block.

    Args:
        open_door: A client without a key may do everything. Off: each needs the seed of a user, and has its rights.
        websocket: Clients may come over a WebSocket too.
        running: Start it. Off: the block begins with the server away.
    """
    with tempfile.TemporaryDirectory(prefix="nats-") as folder:
        server = NatsServer(Path(folder), open_door=open_door, websocket=websocket)
        if running:
            await server.start()
        try:
            yield server
        finally:
            await server.kill()
