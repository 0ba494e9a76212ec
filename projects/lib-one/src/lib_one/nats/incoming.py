"""What comes in over a connection, cut into messages."""

from typing import TYPE_CHECKING

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
