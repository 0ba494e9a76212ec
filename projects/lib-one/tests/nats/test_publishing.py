"""Publishing: many in flight, each with an outcome of its own."""

import asyncio
from datetime import timedelta

from lib_one.bus import Stored
from lib_one.contracts.auth import UserDisabled
from lib_one.contracts.revocation import TokenRevoked
from lib_one.contracts.shipping import Place, ShipmentDelivered
from lib_one.errors import BusRefusedError, BusUnavailableError
from lib_one.event import Message, event, new_id, utc_now
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.testing import NatsServer, are_stored, eventually, nats_server


def facts(count: int) -> list[Message]:
    return [event(UserDisabled(user_id=new_id()), source="/test", now=utc_now).encode() for _ in range(count)]


def replaced(result: Stored | BaseException) -> Stored:
    """The same place, as it is told for a copy."""
    assert isinstance(result, Stored)
    return result._replace(copy=True)


async def stored(bus: JetStreamBus, stream: str) -> int:
    info = await (await bus.ready()).api(dict, f"STREAM.INFO.{stream}")
    return int(info["state"]["messages"])


async def test_every_message_is_acknowledged_and_stored(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    assert are_stored(await bus.publish(facts(1500)))  # more than may be in flight at a time
    assert await stored(bus, "AUTH") == 1500


async def test_nothing_to_publish_is_no_work(server: NatsServer, make_bus) -> None:
    assert await (await make_bus(server)).publish([]) == []


async def test_the_same_message_three_times_is_stored_once(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    messages = facts(10)
    for _ in range(3):
        assert are_stored(await bus.publish(messages))
    assert await stored(bus, "AUTH") == 10


async def test_a_batch_with_one_copy_in_it_stores_the_others_once(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    messages = facts(60)
    before = await bus.publish(messages[20:40])
    outcome = await bus.publish(messages)
    assert [result.sequence for result in outcome if isinstance(result, Stored) and result.copy] == list(range(1, 21))
    assert outcome[20:40] == [replaced(result) for result in before]
    assert [result.sequence for result in outcome[:20] + outcome[40:]] == list(range(21, 61))
    assert await stored(bus, "AUTH") == 60


async def test_many_messages_go_as_batches_and_each_is_told_its_place(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    messages = facts(1100)  # two batches
    outcome = await bus.publish(messages)
    assert [result.sequence for result in outcome if isinstance(result, Stored)] == list(range(1, 1101))
    session = await bus.ready()
    for sequence, number in ((1, "1"), (1000, "1000"), (1001, "1"), (1100, "100")):
        found = await session.request("$JS.API.DIRECT.GET.AUTH", b'{"seq":%d}' % sequence)
        assert found.headers["Nats-Batch-Sequence"] == number
        assert found.headers["ce-id"] == messages[sequence - 1].headers["ce-id"]


async def test_a_stream_that_takes_no_batches_gets_each_message_for_itself(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    await bus.publish(facts(1))
    session = await bus.ready()
    config = (await session.api(dict, "STREAM.INFO.AUTH"))["config"]
    await session.api(dict, "STREAM.UPDATE.AUTH", config | {"allow_atomic": False})
    assert are_stored(await bus.publish(facts(30)))
    assert await stored(bus, "AUTH") == 31


async def test_order_is_kept(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    messages = facts(500)
    await bus.publish(messages)
    session = await bus.ready()
    for sequence in (1, 250, 500):
        found = await session.api(dict, "STREAM.MSG.GET.AUTH", {"seq": sequence})
        assert found["message"]["subject"] == messages[sequence - 1].subject


async def test_calls_side_by_side_get_their_own_outcomes(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    outcomes = await asyncio.gather(*(bus.publish(facts(40)) for _ in range(50)))
    assert all(are_stored(outcome) for outcome in outcomes)
    assert await stored(bus, "AUTH") == 2000


async def test_without_nats_the_answer_comes_soon_and_means_unknown() -> None:
    async with nats_server(running=False) as server:
        connection = NatsConnection(server.url, name="test")
        await connection.start()
        outcome = await JetStreamBus(connection).publish(facts(5))
        assert [type(error) for error in outcome] == [BusUnavailableError] * 5
        await connection.close()


async def test_a_server_killed_under_load_loses_no_acknowledged_message(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    await bus.publish(facts(1))
    messages = facts(6000)
    publishing = asyncio.create_task(bus.publish(messages))
    await asyncio.sleep(0.1)
    await server.kill()
    outcome = await asyncio.wait_for(publishing, 30)
    acknowledged = [message for message, result in zip(messages, outcome, strict=True) if isinstance(result, Stored)]
    unknown = [message for message, result in zip(messages, outcome, strict=True) if not isinstance(result, Stored)]
    assert unknown
    assert {type(result) for result in outcome if not isinstance(result, Stored)} == {BusUnavailableError}
    await server.start()
    assert await connection.wait_connected(30)
    session = await connection.session()
    for message in (*acknowledged[:20], *acknowledged[-20:]):
        await session.api(dict, "STREAM.MSG.GET.AUTH", {"last_by_subj": message.subject})
    assert are_stored(await bus.publish(unknown))
    assert await stored(bus, "AUTH") == 6001  # none lost, and none of the unknown ones twice


async def test_it_publishes_again_after_a_restart_without_being_told(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    await bus.publish(facts(1))
    await server.kill()
    await server.start()

    async def works() -> bool:
        return are_stored(await bus.publish(facts(1)))

    await eventually(works)


async def test_lost_streams_are_made_again(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    await bus.publish(facts(3))
    await (await connection.session()).api(dict, "STREAM.DELETE.AUTH")
    outcome = await bus.publish(facts(1))
    assert isinstance(outcome[0], BusUnavailableError)
    assert are_stored(await bus.publish(facts(1)))


async def test_without_permission_the_refusal_is_permanent_and_hurts_nobody_else(
    locked_server: NatsServer, make_bus
) -> None:
    bus = await make_bus(locked_server, "app-svc", key=True)
    now = utc_now()
    revocation = event(TokenRevoked(token_id="abc", expires_at=now + timedelta(minutes=1)), source="/x", now=utc_now)
    delivery = ShipmentDelivered(
        shipment_id=new_id(), revision=1, place=Place(name="Oslo"), delivered_at=now, recorded_by="dan"
    )
    own = event(delivery, source="/app-svc", now=utc_now)
    outcome = await bus.publish([own.encode(), revocation.encode(), facts(1)[0]])
    assert isinstance(outcome[0], Stored)
    assert isinstance(outcome[1], BusRefusedError)
    assert isinstance(outcome[2], BusRefusedError)


async def test_a_message_that_is_too_large_is_refused_alone(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    large = facts(1)[0]
    large = Message(large.subject, large.headers, b"x" * 2_000_000)
    outcome = await bus.publish([facts(1)[0], large, facts(1)[0]])
    assert [type(error) for error in outcome] == [Stored, BusRefusedError, Stored]
    outcome = await bus.publish([*facts(20), large])  # not as a batch then
    assert [type(error) for error in outcome] == [Stored] * 20 + [BusRefusedError]


async def test_a_header_with_a_line_break_is_refused_alone(server: NatsServer, make_bus) -> None:
    bus = await make_bus(server)
    forged = facts(1)[0]
    forged = Message(forged.subject, {**forged.headers, "ce-source": "/x\r\nce-id: other"}, forged.body)
    outcome = await bus.publish([forged, facts(1)[0]])
    assert [type(error) for error in outcome] == [BusRefusedError, Stored]


async def test_a_server_that_falls_silent_leaves_the_fate_unknown_after_the_time_out(
    server: NatsServer, connect
) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection, publish_timeout=0.3)
    await bus.publish(facts(1))
    with server.frozen():
        outcome = await bus.publish(facts(2))
    assert [type(error) for error in outcome] == [BusUnavailableError] * 2
