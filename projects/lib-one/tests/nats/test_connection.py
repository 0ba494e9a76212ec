"""The connection that never gives up."""

import asyncio

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError
from lib_one.nats import NatsConnection
from lib_one.nats.addresses import safe, safe_for_guests
from lib_one.nats.client import BusClient
from lib_one.nats.session import ApiError
from lib_one.testing import NatsServer, eventually, free_port, nats_server


async def test_start_returns_at_once_although_nats_is_away() -> None:
    connection = NatsConnection(f"nats://127.0.0.1:{free_port()}", name="test")
    async with asyncio.timeout(10):
        await connection.start()
    assert not connection.connected
    assert not await connection.wait_connected(0.3)
    await connection.close()


async def test_close_works_although_it_was_never_connected_or_started() -> None:
    await NatsConnection("nats://127.0.0.1:1", name="test").close()


async def test_it_connects_when_nats_comes_up_later() -> None:
    async with nats_server(running=False) as server:
        connection = NatsConnection(server.url, name="test")
        await connection.start()
        assert not await connection.wait_connected(0.2)
        await server.start()
        assert await connection.wait_connected(30)
        await connection.close()


async def test_it_notices_a_killed_server_at_once_and_comes_back(server: NatsServer, connect) -> None:
    connection = await connect(server)
    for expected in (2, 3):
        await server.kill()
        await eventually(lambda: not connection.connected)
        await server.start()
        assert await connection.wait_connected(30)
        assert connection.sessions == expected


async def test_a_server_killed_in_the_middle_of_a_write_is_noticed(server: NatsServer, connect) -> None:
    """nats-py writes out what waits while it closes, and if that fails it tells nobody that it has closed."""
    connection = await connect(server)
    client = (await connection.session()).client

    async def broken() -> None:
        raise ConnectionResetError

    client._transport.drain = broken
    client._pending_data_size = 1
    client._flush_pending = _nothing
    await server.kill()
    await eventually(lambda: not connection.connected)
    await server.start()
    assert await connection.wait_connected(30)


async def _nothing(*_: object, **__: object) -> None:
    return None


async def test_it_comes_back_after_a_server_that_stopped_in_good_order(server: NatsServer, connect) -> None:
    connection = await connect(server)
    await server.stop()
    await eventually(lambda: not connection.connected)
    await server.start()
    assert await connection.wait_connected(30)


async def test_a_request_that_is_under_way_ends_with_its_session(server: NatsServer, connect) -> None:
    connection = await connect(server)
    session = await connection.session()
    await session.subscribe("silent", lambda message: None)
    request = asyncio.create_task(session.request("silent", b"", timeout=60))
    await asyncio.sleep(0.05)
    await server.kill()
    with pytest.raises(BusUnavailableError):
        await asyncio.wait_for(request, 60)


async def test_what_is_subscribed_gets_its_messages_in_order(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    received: list[bytes] = []
    await session.subscribe("numbers.>", lambda message: received.append(message.data))
    for number in range(1000):
        await session.publish(f"numbers.{number}", str(number).encode())
    await eventually(lambda: len(received) == 1000)
    assert received == [str(number).encode() for number in range(1000)]


async def test_a_function_gets_a_message_as_soon_as_it_is_read(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    received: list[Msg] = []
    subscription = await session.subscribe("numbers", received.append)
    head = b"NATS/1.0\r\nce-type: one\r\n\r\n"
    await session.client._ps.parse(
        b"HMSG numbers %d %d %d\r\n%s1\r\n" % (subscription._id, len(head), len(head) + 1, head)
    )
    assert [(message.data, message.headers) for message in received] == [(b"1", {"ce-type": "one"})]


async def test_only_the_headers_that_are_wanted_are_read_but_all_of_a_status(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    received: list[dict[str, str] | None] = []
    subscription = await session.subscribe("n", lambda m: received.append(m.headers), headers=("one", "two", "three"))
    for head in (
        b"NATS/1.0\r\none: 1\r\nother: one: 2\r\ntwo:\xc3\xa9\r\none: 3\r\n\r\n",
        b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 7\r\n\r\n",
    ):
        await session.client._ps.parse(b"HMSG n %d %d %d\r\n%s\r\n" % (subscription._id, len(head), len(head), head))
    await session.client._ps.parse(b"MSG n %d 1\r\n1\r\n" % subscription._id)
    status = {"Status": "204", "Description": "EOB", "Nats-Num-Pending": "7"}
    assert received == [{"one": "3", "two": "é"}, status, None]


def test_headers_are_read_as_nats_py_reads_them() -> None:
    raw = b"a: 1\r\nb:2\r\nc:\t3 \r\nd: 4: 5\r\ne: \r\nf: \xc3\xa9 \xff\r\nno colon\r\na: 6\r\n\r\n"
    assert BusClient._parse_header_lines(raw) == Client._parse_header_lines(raw)
    assert BusClient._parse_header_lines(raw + b"g g: 7\r\n: 8\r\n\r\n") == Client._parse_header_lines(raw)


async def test_an_exception_in_a_callback_leaves_the_subscription_alive(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    received: list[bytes] = []

    def receive(message: Msg) -> None:
        received.append(message.data)
        raise RuntimeError("a bug")

    await session.subscribe("numbers", receive)
    await session.publish("numbers", b"1")
    await session.publish("numbers", b"2")
    await eventually(lambda: received == [b"1", b"2"])


async def test_nobody_there_is_an_error_at_once_and_not_a_time_out(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    with pytest.raises(BusUnavailableError, match="nobody"):
        await session.request("nobody.listens", b"", timeout=5)


async def test_an_error_of_the_jetstream_api_has_its_code(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    with pytest.raises(ApiError) as caught:
        await session.api(dict, "STREAM.INFO.NONE")
    assert caught.value.code == 10059


async def test_close_lets_what_was_published_arrive(server: NatsServer, connect) -> None:
    received: list[bytes] = []
    listener = await connect(server, "listener")
    await (await listener.session()).subscribe("last.words", lambda message: received.append(message.data))
    connection = await connect(server)
    session = await connection.session()
    for number in range(100):
        await session.publish("last.words", str(number).encode())
    await connection.close()
    assert not connection.connected
    await eventually(lambda: len(received) == 100)


async def test_a_slow_reader_is_counted_and_does_not_stop_the_others(server: NatsServer, connect, monkeypatch) -> None:
    monkeypatch.setattr("lib_one.nats.session.PENDING_MESSAGES", 10)
    connection = await connect(server)
    session = await connection.session()
    gate = asyncio.Event()

    async def dawdle(_message: Msg) -> None:
        await gate.wait()

    received: list[bytes] = []
    await session.serve("flood", dawdle)
    await session.subscribe("other", lambda message: received.append(message.data))
    for _ in range(50):
        await session.publish("flood", b"x")
    await session.publish("other", b"y")
    await eventually(lambda: received == [b"y"] and connection.slow_consumers > 0)
    gate.set()


async def test_a_wrong_key_is_tried_again_for_ever_and_never_connects(locked_server: NatsServer, connect) -> None:
    connection = NatsConnection(locked_server.url, name="auth-svc")
    await connection.start()
    assert not await connection.wait_connected(0.5)
    await connection.close()


async def test_the_right_key_connects(locked_server: NatsServer, connect) -> None:
    assert (await connect(locked_server, "auth-svc", key=True)).connected


async def test_a_line_break_in_a_header_is_refused(server: NatsServer, connect) -> None:
    session = await (await connect(server)).session()
    with pytest.raises(Exception, match="header"):
        await session.client.publish("subject", b"", headers={"ce-id": "1\r\nPUB evil 0\r\n"})


async def test_a_server_that_falls_silent_is_given_up(server: NatsServer, connect, monkeypatch) -> None:
    monkeypatch.setattr("lib_one.nats.session.PING_INTERVAL", 0.1)
    connection = await connect(server)
    with server.frozen():
        await eventually(lambda: not connection.connected)
    assert await connection.wait_connected(30)


def test_a_seed_that_is_none_is_refused_before_anything_else() -> None:
    with pytest.raises(ValueError, match="seed of an nkey") as caught:
        NatsConnection("nats://127.0.0.1:1", name="test", nkey_seed="SUSECRET")
    assert "SUSECRET" not in str(caught.value)


async def test_an_address_that_is_none_does_not_end_the_attempts() -> None:
    connection = NatsConnection("nats://no such host:4222", name="test")
    await connection.start()
    assert not await connection.wait_connected(0.3)
    assert connection._task is not None
    assert not connection._task.done()
    await connection.close()


async def test_the_next_node_is_taken_when_one_is_lost() -> None:
    async with nats_server() as one, nats_server() as other:
        nodes = {server.url: server for server in (one, other)}
        connection = NatsConnection(",".join(nodes), name="test")
        await connection.start()
        assert await connection.wait_connected(30)
        lost = nodes.pop(await _node(connection))
        await lost.kill()
        (left,) = nodes

        async def moved() -> bool:
            return await _node(connection) == left

        await eventually(moved)
        await connection.close()


async def _node(connection: NatsConnection) -> str:
    url = (await connection.session()).client.connected_url
    return f"{url.scheme}://{url.netloc}" if url else ""


async def test_an_address_with_tls_hears_nothing_from_us_in_the_clear() -> None:
    """nats-py alone would go on without TLS: the word of whoever sits in between is enough for it."""
    heard: list[bytes] = []

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"X","version":"2.15.1","proto":1,"max_payload":1048576,"headers":true}\r\n')
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = NatsConnection(f"tls://127.0.0.1:{port}", name="test", nkey_seed=None)
    await connection.start()
    await eventually(lambda: len(heard) >= 2)
    await connection.close()
    assert set(heard) == {b""}
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("text", ["tls://bus.example:4222, tls://10.0.0.2:4222", "nats://[::1]:1", "nats://localhost"])
def test_addresses_are_encrypted_or_on_this_machine(text: str) -> None:
    assert safe(text) == text


@pytest.mark.parametrize(
    "text", ["nats://bus.example:4222", "tls://a:1,nats://10.0.0.2:4222", "bus.example:4222", "http://127.0.0.1", ","]
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        safe(text)


def test_what_clients_dial_is_encrypted_or_on_this_machine() -> None:
    for text in ("", "tls://bus.example:4222 wss://bus.example/nats", "nats://127.0.0.1:4222 ws://[::1]:8403"):
        assert safe_for_guests(text) == text
    for text in (
        "nats://bus.example",
        "tls://a ws://10.0.0.2",
        "https://bus.example",
        "tls://a,tls://b:x",
        "wss://",
        "x",
    ):
        with pytest.raises(ValueError, match="must"):
            safe_for_guests(f"tls://good.example {text}")
