"""A network that breaks when the test says so: a TCP proxy in front of a server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Partition:
    """Carries bytes both ways between whoever connects to `port` and the server, until it is cut.

    While it is cut, connections stay open and nothing arrives on either side; what was sent meanwhile is lost with the
    connection when it heals, as after the time-outs of a real network.
    """

    def __init__(self, host: str, port: int) -> None:
        self._behind = (host, port)
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        """Where to connect."""

    def cut(self) -> None:
        """From now on nothing arrives."""
        self._open.clear()

    def heal(self) -> None:
        """Whoever connects again gets through."""
        self._open.set()
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        await self._open.wait()
        behind_reader, behind_writer = await asyncio.open_connection(*self._behind)
        both = {writer, behind_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(reader, behind_writer))
                ways.create_task(self._carry(behind_reader, writer))
        finally:
            self._writers -= both
            for one in both:
                one.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if not self._open.is_set():
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def partition(host: str, port: int) -> AsyncIterator[Partition]:
    """A network of one's own to the server at this address."""
    network = Partition(host, port)
    server = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        network.heal()
        server.close()
