"""What comes in over a connection, cut into messages."""

import asyncio
from typing import TYPE_CHECKING

from nats.aio.transport import TcpTransport
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

if TYPE_CHECKING:
    from nats.aio.client import Client

_END = b"\r\n"


class Incoming(Parser):
    """nats-py's parser, but that all messages of one piece from the network are cut out of it in one go.

    nats-py tries a line against one pattern after the other, and moves what follows to the front after each message: a
    third of what a message costs. All but messages is still read by it.
    """

    def __init__(self, client: "Client") -> None:
        self._whole = 0
        """Length of the message at the front of the buffer, of which a part is missing; 0: not known."""
        super().__init__(client)

    def reset(self) -> None:
        """Begin anew."""
        super().reset()
        self._whole = 0

    async def parse(self, data: bytes = b"") -> None:
        """Take what has come in, and hand over what is whole."""
        self.buf.extend(data)
        if len(self.buf) < self._whole:
            return
        arrived, start, self._whole = bytes(self.buf), 0, 0
        self.buf.clear()
        process = self.nc._process_msg
        while (end := arrived.find(_END, start)) >= 0:
            words = arrived[start:end].split()
            kind, count = words[0] if words else b"", len(words)
            if not (kind == b"MSG" and 4 <= count <= 5) and not (kind == b"HMSG" and 5 <= count <= 6):
                self.buf.extend(arrived[start : end + 2])
                start = end + 2
                await super().parse()
                continue
            try:
                sid, size = int(words[2]), int(words[-1])
                header_size = int(words[-2]) if kind == b"HMSG" else 0
            except ValueError:
                raise ProtocolError("nats: malformed MSG") from None
            if not 0 <= header_size <= size:
                raise ProtocolError("nats: malformed MSG")
            body, stop = end + 2 + header_size, end + 2 + size
            if len(arrived) < stop + 2:
                self._whole = stop + 2 - start
                break
            reply = words[3] if count == (6 if kind == b"HMSG" else 5) else b""
            await process(sid, words[1], reply, arrived[body:stop], arrived[end + 2 : body])
            start = stop + 2
        self.buf.extend(arrived[start:])


class Straight(asyncio.Protocol):
    """Gives each piece from the network to the parser in the moment in which it is read.

    Through nats-py's stream reader a message waits for one more turn of the event loop. The reader is still told how
    the connection ends and what goes wrong in parsing: whoever reads from it does what is due then.
    """

    def __init__(self, client: "Client", transport: TcpTransport) -> None:
        """Take over `transport`, which is connected, with what its reader holds."""
        if transport._io_writer is None or transport._io_reader is None:
            raise ValueError("not connected")
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._reader = transport._io_reader
        self._transport: asyncio.Transport = transport._io_writer.transport  # type: ignore[assignment]
        self._before: asyncio.StreamReaderProtocol = self._transport.get_protocol()  # type: ignore[assignment]
        self._parsing: asyncio.Task[None] | None = None
        self._later: list[bytes] = []

    async def take_over(self) -> None:
        """From now on the reader gets no data."""
        self._transport.set_protocol(self)
        if held := len(self._reader._buffer):  # type: ignore[attr-defined]
            self.data_received(await self._reader.read(held))

    def data_received(self, data: bytes) -> None:
        """A piece has come."""
        if self._parsing is not None:
            self._later.append(data)
            return
        # It seldom waits for anything, and then it is done at once.
        parsing = asyncio.Task(self._client._ps.parse(data), loop=self._loop, eager_start=True)
        if parsing.done():
            self._parsed(parsing)
        else:
            self._parsing = parsing
            self._transport.pause_reading()
            parsing.add_done_callback(self._go_on)

    def _go_on(self, parsing: asyncio.Task[None]) -> None:
        self._parsing = None
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._parsed(parsing)
        if self._later:
            data, self._later = b"".join(self._later), []
            self.data_received(data)

    def _parsed(self, parsing: asyncio.Task[None]) -> None:
        error = None if parsing.cancelled() else parsing.exception()
        if error is not None:
            self._reader.set_exception(error)  # type: ignore[arg-type]

    def eof_received(self) -> bool | None:
        """Nothing more comes."""
        return self._before.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._before.connection_lost(exc)

    def pause_writing(self) -> None:
        """What is sent waits."""
        self._before.pause_writing()

    def resume_writing(self) -> None:
        """It waits no more."""
        self._before.resume_writing()
