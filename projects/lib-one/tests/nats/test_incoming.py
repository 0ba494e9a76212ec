"""What comes in is cut into the same messages as by nats-py, wherever the network cuts it."""

import asyncio

import pytest
from nats.aio.transport import TcpTransport
from nats.errors import ProtocolError
from nats.protocol.parser import Parser

from lib_one.nats.client import BusClient, at_once
from lib_one.nats.incoming import Incoming, Straight
from lib_one.testing import eventually

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


async def test_what_comes_while_a_piece_is_still_read_waits_its_turn_and_nonsense_ends_the_connection() -> None:
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload": 1000}\r\n')
        while b"PING" not in await reader.readline():
            pass
        writer.write(b"PONG\r\n")
        while piece := await pieces.get():
            writer.write(piece)
        writer.close()

    waiting, go_on, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def failed(error: Exception) -> None:
        if "permissions violation" in str(error):
            refused.append(error)
            waiting.set()
            await go_on.wait()

    async def note() -> None:
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = BusClient()
    found: list[bytes] = []
    refused: list[Exception] = []
    await client.connect(
        f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        error_cb=failed,
        closed_cb=note,
        allow_reconnect=False,
    )
    await client.subscribe("a", cb=at_once(lambda message: found.append(message.data)))
    pieces.put_nowait(b"MSG a 1 1\r\n1\r\n-ERR 'Permissions Violation'\r\nMSG a 1 1\r\n2\r\n")
    await waiting.wait()
    assert isinstance(client._transport, TcpTransport)
    assert client._transport._io_writer is not None
    straight = client._transport._io_writer.transport.get_protocol()
    assert isinstance(straight, Straight)
    straight.data_received(b"MSG a 1 1\r\n3\r\n")  # as TLS does, which may hold more when reading is paused
    assert found == [b"1"]
    go_on.set()
    pieces.put_nowait(b"MSG a 1 1\r\n4\r\n")
    await eventually(lambda: len(found) == 4)
    assert found == [b"1", b"2", b"3", b"4"]
    assert len(refused) == 1
    pieces.put_nowait(b"MSG a one\r\n")
    await eventually(closed.is_set)
    pieces.put_nowait(b"")
    server.close()
