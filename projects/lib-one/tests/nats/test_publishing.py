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


async def stored(connection: NatsConnection, stream: str) -> int:
    info = await (await connection.session()).api(dict, f"STREAM.INFO.{stream}")
    return int(info["state"]["messages"])


async def test_every_message_is_acknowledged_and_stored(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    assert are_stored(await bus.publish(facts(1500)))  # more than may be in flight at a time
    assert await stored(connection, "AUTH") == 1500


async def test_nothing_to_publish_is_no_work(server: NatsServer, connect) -> None:
    assert await JetStreamBus(await connect(server)).publish([]) == []


async def test_the_same_message_three_times_is_stored_once(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    messages = facts(10)
    for _ in range(3):
        assert are_stored(await bus.publish(messages))
    assert await stored(connection, "AUTH") == 10


async def test_order_is_kept(server: NatsServer, connect) -> None:
    connection = await connect(server)
    messages = facts(500)
    await JetStreamBus(connection).publish(messages)
    session = await connection.session()
    for sequence in (1, 250, 500):
        found = await session.api(dict, "STREAM.MSG.GET.AUTH", {"seq": sequence})
        assert found["message"]["subject"] == messages[sequence - 1].subject


async def test_calls_side_by_side_get_their_own_outcomes(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    outcomes = await asyncio.gather(*(bus.publish(facts(40)) for _ in range(50)))
    assert all(are_stored(outcome) for outcome in outcomes)
    assert await stored(connection, "AUTH") == 2000


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
    assert await stored(connection, "AUTH") == 6001  # none lost, and none of the unknown ones twice


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
    locked_server: NatsServer, connect
) -> None:
    bus = JetStreamBus(await connect(locked_server, "app-svc", key=True))
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


async def test_a_message_that_is_too_large_is_refused_alone(server: NatsServer, connect) -> None:
    bus = JetStreamBus(await connect(server))
    large = facts(1)[0]
    large = Message(large.subject, large.headers, b"x" * 2_000_000)
    outcome = await bus.publish([facts(1)[0], large, facts(1)[0]])
    assert [type(error) for error in outcome] == [Stored, BusRefusedError, Stored]


async def test_a_header_with_a_line_break_is_refused_alone(server: NatsServer, connect) -> None:
    bus = JetStreamBus(await connect(server))
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
