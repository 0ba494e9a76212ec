"""What comes in is cut into the same messages as by nats-py, wherever the network cuts it."""

import pytest
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from lib_one.nats.incoming import Incoming

HEAD = b"NATS/1.0\r\nce-id: 1\r\n\r\n"
STREAM = b"".join(
    (
        b'INFO {"server_id":"x"}\r\n',
        b"PING\r\n",
        b"MSG a.b 1 5\r\nhello\r\n",
        b"HMSG a.b 2 %d %d\r\n%sbody\r\n" % (len(HEAD), len(HEAD) + 4, HEAD),
        b"HMSG a.b 12 answers.here %d %d\r\n%s\r\n" % (len(HEAD), len(HEAD), HEAD),
        b"PONG\r\n",
        b"MSG \t a.b  3  answers.here   14\r\nMSG a.b 9 0\r\n\r\r\n",
        b"MSG a.b 4 0\r\n\r\n",
        b"-ERR 'permissions violation'\r\n",
        b"+OK\r\n",
        b"MSG a.b 5 70000\r\n" + b"x" * 70_000 + b"\r\n",
        b"PING\r\n",
    )
)


class Told:
    """A client that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    async def _process_msg(self, *message: object) -> None:
        self.heard.append(tuple(part or b"" for part in message))

    async def _process_err(self, text: str) -> None:
        self.heard.append(("error", text))

    async def _process_ping(self) -> None:
        self.heard.append(("ping",))

    async def _process_pong(self) -> None:
        self.heard.append(("pong",))

    async def _process_info(self, info: dict[str, str]) -> None:
        self.heard.append(("info", info))


async def heard(kind: type[Parser], data: bytes, *, size: int) -> list[tuple[object, ...]]:
    told = Told()
    parser = kind(told)
    for start in range(0, len(data), size):
        await parser.parse(data[start : start + size])
    assert not parser.buf
    return told.heard


@pytest.mark.parametrize("size", [1, 2, 3, 7, 41, 1000, 32_768, len(STREAM)])
async def test_messages_are_those_of_nats_py_wherever_the_pieces_end(size: int) -> None:
    data = STREAM if size > 10 else STREAM.replace(b"70000", b"70").replace(b"x" * 70_000, b"x" * 70)
    expected = await heard(Parser, data, size=len(data))
    assert len(expected) == 11
    assert await heard(Incoming, data, size=size) == expected


@pytest.mark.parametrize(
    "line",
    [b"HELLO\r\n", b"\r\n", b"MSG a 1\r\n", b"MSG a 1 x\r\n", b"MSG a 1 -9\r\n", b"HMSG a 1 9 3\r\n", b"HMSG a 1\r\n"],
)
async def test_what_is_no_message_ends_the_connection(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        await Incoming(Told()).parse(b"PING\r\n" + line)  # type: ignore[arg-type]
