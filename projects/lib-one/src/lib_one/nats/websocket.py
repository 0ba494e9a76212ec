"""NATS over a WebSocket, for where a firewall lets nothing else through. (nats-py's own way needs aiohttp, which every
service would then load.)
"""

import asyncio
import ssl
from urllib.parse import ParseResult

from nats.aio.transport import Transport
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException


class WebSocketTransport(Transport):
    """What the client writes goes out as one frame at each `drain`; frames that come in are a stream of bytes again."""

    def __init__(self) -> None:
        self._socket: ClientConnection | None = None
        self._arrived = asyncio.StreamReader()
        self._pending: list[bytes] = []
        self._tasks: list[asyncio.Task[None]] = []

    def __bool__(self) -> bool:
        """There is a transport: the client must not make one of its own."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Open `ws://…`."""
        await self._open(uri.geturl(), None, buffer_size, connect_timeout)

    async def connect_tls(
        self, uri: ParseResult | str, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int
    ) -> None:
        """Open `wss://…`."""
        if self._socket is None:  # the client asks once more after the server's greeting
            address = uri if isinstance(uri, str) else uri.geturl()
            await self._open(address, ssl_context, buffer_size, connect_timeout)

    async def _open(self, address: str, tls: ssl.SSLContext | None, buffer_size: int, timeout: int) -> None:
        self._arrived = asyncio.StreamReader(limit=buffer_size)
        try:
            self._socket = await connect(
                address,
                ssl=tls,
                open_timeout=timeout,
                close_timeout=1,
                ping_interval=None,  # NATS has pings of its own
                compression=None,
                max_size=None,
                proxy=None,
            )
        except WebSocketException as error:
            raise ConnectionError(f"{address}: {error}") from error
        self._tasks.append(asyncio.create_task(self._read(self._socket)))

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for frame in socket:
                self._arrived.feed_data(frame if isinstance(frame, bytes) else frame.encode())
        except WebSocketException:
            pass
        finally:
            self._arrived.feed_eof()

    def write(self, payload: bytes) -> None:
        """Keep for the next `drain`."""
        self._pending.append(payload)

    def writelines(self, payload: list[bytes]) -> None:
        """Keep for the next `drain`."""
        self._pending.extend(payload)

    async def drain(self) -> None:
        """Send what was kept."""
        if self._pending and self._socket is not None:
            frame, self._pending = b"".join(self._pending), []
            try:
                await self._socket.send(frame)
            except WebSocketException as error:
                raise ConnectionError(str(error)) from error

    async def read(self, buffer_size: int) -> bytes:
        """What has arrived, up to this size; nothing at the end."""
        return await self._arrived.read(buffer_size)

    async def readline(self) -> bytes:
        """The next line."""
        return await self._arrived.readline()

    def close(self) -> None:
        """Close, in the background."""
        if self._socket is not None:
            self._tasks.append(asyncio.create_task(self._socket.close()))

    async def wait_closed(self) -> None:
        """Wait until it is closed."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def at_eof(self) -> bool:
        """Whether nothing will arrive any more."""
        return self._arrived.at_eof()
