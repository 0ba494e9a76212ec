"""Consuming: verdicts, back-off, dead letters, and outages in between."""

import asyncio
import base64
import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from lib_one.bus import Dead, Delivery, Later, Subscription
from lib_one.contracts.shipping import Place, ShipmentRegistered
from lib_one.event import Message, event, new_id, utc_now
from lib_one.nats import APP_PROJECTOR, JetStreamBus, NatsConnection
from lib_one.testing import NatsServer, are_stored, eventually, nats_server

ONE_LANE = replace(APP_PROJECTOR, lanes=1)
SOON = (timedelta(milliseconds=10),) * 5
PLACE = Place(name="Oslo")


def registration(shipment_id: str | None = None, *, revision: int = 1) -> Message:
    fact = ShipmentRegistered(
        shipment_id=shipment_id or new_id(),
        revision=revision,
        reference="ASN-1",
        origin=PLACE,
        destination=PLACE,
        registered_by="clara",
        registered_at=utc_now(),
    )
    return event(fact, source="/app-svc", now=utc_now).encode()


class Recorder:
    """A handler that remembers, and fails as it is told."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.faults: dict[str, list[Exception]] = {}

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        faults = self.faults.get(delivery.event.id, [])
        if faults:
            raise faults.pop(0)

    @property
    def ids(self) -> list[str]:
        return [delivery.event.id for delivery in self.deliveries]


async def dead_letters(connection: NatsConnection) -> list[dict[str, object]]:
    session = await connection.session()
    info = await session.api(dict, "STREAM.INFO.DEAD")
    letters = []
    for sequence in range(1, info["state"]["last_seq"] + 1):
        found = await session.api(dict, "STREAM.MSG.GET.DEAD", {"seq": sequence})
        letters.append(json.loads(base64.b64decode(found["message"]["data"])))
    return letters


async def test_events_come_in_order_with_their_sequence_and_attempt(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, handler = JetStreamBus(connection), Recorder()
    messages = [registration() for _ in range(600)]
    await bus.publish(messages)
    assert await bus.backlog(APP_PROJECTOR) == 600
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: len(handler.deliveries) == 600)
    assert handler.ids == [message.headers["ce-id"] for message in messages]
    assert [delivery.stream_sequence for delivery in handler.deliveries] == list(range(1, 601))
    assert {delivery.attempt for delivery in handler.deliveries} == {1}

    async def all_done() -> bool:
        return await bus.backlog(APP_PROJECTOR) == 0

    await eventually(all_done)


async def test_consuming_begins_before_nats_and_the_stream_exist(connect, run) -> None:
    async with nats_server(running=False) as server:
        connection = await connect(server, wait=False)
        bus, handler = JetStreamBus(connection), Recorder()
        run(bus.consume(ONE_LANE, handler))
        await asyncio.sleep(0.1)
        await server.start()
        assert await connection.wait_connected(30)
        assert are_stored(await bus.publish([registration()]))
        await eventually(lambda: len(handler.deliveries) == 1)


async def test_later_is_delivered_again_after_its_delay(server: NatsServer, connect, run) -> None:
    bus, handler = JetStreamBus(await connect(server)), Recorder()
    first, second = registration(), registration()
    handler.faults[first.headers["ce-id"]] = [Later(timedelta(seconds=0.3))]
    await bus.publish([first, second])
    began = time.monotonic()
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: len(handler.deliveries) == 3)
    assert handler.ids == [first.headers["ce-id"], second.headers["ce-id"], first.headers["ce-id"]]
    assert [delivery.attempt for delivery in handler.deliveries] == [1, 1, 2]
    assert time.monotonic() - began >= 0.29


async def test_an_exception_backs_off_and_the_next_event_does_not_wait(server: NatsServer, connect, run) -> None:
    bus, handler = JetStreamBus(await connect(server), backoff=[timedelta(seconds=0.2)] * 5), Recorder()
    failing, fine = registration(), registration()
    handler.faults[failing.headers["ce-id"]] = [RuntimeError("database is locked")] * 2
    await bus.publish([failing, fine])
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: len(handler.deliveries) == 2)
    assert handler.ids[1] == fine.headers["ce-id"]
    await eventually(lambda: len(handler.deliveries) == 4)
    assert [delivery.attempt for delivery in handler.deliveries] == [1, 1, 2, 3]


async def test_poison_goes_to_the_dead_letters_with_its_reason_after_six_attempts(
    server: NatsServer, connect, run
) -> None:
    connection = await connect(server)
    bus, handler = JetStreamBus(connection, backoff=SOON), Recorder()
    poison, fine = registration(), registration()
    handler.faults[poison.headers["ce-id"]] = [ValueError("no such\ncountry")] * 99
    await bus.publish([poison, fine])
    run(bus.consume(ONE_LANE, handler))

    async def letters() -> list[dict[str, object]]:
        return await dead_letters(connection)

    (letter,) = await eventually(letters)
    assert letter["reason"] == "ValueError: no such country"
    assert letter["stream"] == "SHIPMENTS"
    assert letter["consumer"] == APP_PROJECTOR.durable
    assert letter["stream_seq"] == 1
    assert handler.ids.count(poison.headers["ce-id"]) == 6
    assert handler.ids[1] == fine.headers["ce-id"]
    assert await bus.backlog(APP_PROJECTOR) == 0


async def test_dead_is_a_dead_letter_at_once_and_the_next_one_is_handled(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, handler = JetStreamBus(connection), Recorder()
    poison, fine = registration(), registration()
    handler.faults[poison.headers["ce-id"]] = [Dead("revision 7 of an unknown shipment")]
    await bus.publish([poison, fine])
    run(bus.consume(ONE_LANE, handler))

    async def letters() -> list[dict[str, object]]:
        return await dead_letters(connection)

    (letter,) = await eventually(letters)
    assert letter["reason"] == "revision 7 of an unknown shipment"
    await eventually(lambda: handler.ids == [poison.headers["ce-id"], fine.headers["ce-id"]])


async def test_a_malformed_event_is_a_dead_letter_and_never_reaches_the_handler(
    server: NatsServer, connect, run
) -> None:
    connection = await connect(server)
    bus, handler = JetStreamBus(connection), Recorder()
    good = registration()
    await bus.publish(
        [
            Message("shipments.x.registered", {**good.headers, "Nats-Msg-Id": "1"}, b"{"),
            Message("shipments.x.registered", {"Nats-Msg-Id": "2"}, b"{}"),
            good,
        ]
    )
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: handler.ids == [good.headers["ce-id"]])

    async def letters() -> bool:
        return len(await dead_letters(connection)) == 2

    await eventually(letters)


async def test_an_unknown_type_is_skipped_and_acknowledged(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, handler = JetStreamBus(connection), Recorder()
    newer, known = registration(), registration()
    newer.headers["ce-type"] = "internal.event-based-svcs.shipment.teleported.v3"
    await bus.publish([newer, known])
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: handler.ids == [known.headers["ce-id"]])

    async def all_done() -> bool:
        return await bus.backlog(APP_PROJECTOR) == 0

    await eventually(all_done)
    assert await dead_letters(connection) == []


async def test_an_event_published_three_times_is_delivered_once(server: NatsServer, connect, run) -> None:
    bus, handler = JetStreamBus(await connect(server)), Recorder()
    message, last = registration(), registration()
    for _ in range(3):
        await bus.publish([message])
    await bus.publish([last])
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: last.headers["ce-id"] in handler.ids)
    assert handler.ids == [message.headers["ce-id"], last.headers["ce-id"]]


async def test_reading_survives_a_server_that_is_killed_in_the_middle(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection)
    seen: set[str] = set()

    async def slow(delivery: Delivery) -> None:
        await asyncio.sleep(0.001)
        seen.add(delivery.event.id)

    messages = [registration() for _ in range(400)]
    await bus.publish(messages)
    run(bus.consume(ONE_LANE, slow))
    await eventually(lambda: len(seen) > 50)
    await server.kill()
    await server.start()
    await eventually(lambda: len(seen) == 400)

    async def all_done() -> bool:
        return await bus.backlog(APP_PROJECTOR) == 0

    await eventually(all_done)


async def test_reading_survives_the_loss_of_all_streams(server: NatsServer, connect, run) -> None:
    connection = await connect(server)
    bus, handler = JetStreamBus(connection), Recorder()
    run(bus.consume(ONE_LANE, handler))
    await bus.publish([registration() for _ in range(5)])
    await eventually(lambda: len(handler.deliveries) == 5)
    await server.wipe()
    await server.start()
    assert await connection.wait_connected(30)
    again = registration()

    async def published() -> bool:
        return are_stored(await bus.publish([again]))

    await eventually(published)
    await eventually(lambda: handler.ids[-1] == again.headers["ce-id"])


async def test_who_stops_gives_back_what_is_unfinished(server: NatsServer, connect, run) -> None:
    bus, handler = JetStreamBus(await connect(server)), Recorder()
    await bus.publish([registration() for _ in range(3)])
    started = asyncio.Event()

    async def stuck(_delivery: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(bus.consume(ONE_LANE, stuck))
    await started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    run(bus.consume(ONE_LANE, handler))
    await eventually(lambda: len(handler.deliveries) == 3, 2)  # and not only after the server's time-out


async def test_a_slow_handler_keeps_its_message(server: NatsServer, connect, run, monkeypatch) -> None:
    monkeypatch.setattr("lib_one.nats.topology.ACK_WAIT", timedelta(seconds=0.4))
    bus = JetStreamBus(await connect(server))
    attempts: list[int] = []

    async def slow(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await asyncio.sleep(1.2)

    await bus.publish([registration(), registration()])
    run(bus.consume(ONE_LANE, slow))
    await eventually(lambda: len(attempts) == 2)
    assert attempts == [1, 1]


async def test_lanes_work_side_by_side_and_keep_each_shipment_in_order(server: NatsServer, connect, run) -> None:
    bus = JetStreamBus(await connect(server))
    at_once, most = 0, 0
    revisions: dict[str, list[int]] = {}

    async def handle(delivery: Delivery) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        fact = delivery.event.data
        assert isinstance(fact, ShipmentRegistered)
        revisions.setdefault(fact.shipment_id, []).append(fact.revision)
        at_once -= 1

    shipments = [new_id() for _ in range(20)]
    await bus.publish([registration(id_, revision=revision) for revision in range(1, 11) for id_ in shipments])
    run(bus.consume(Subscription("SHIPMENTS", "app_svc__lanes", ("shipments.>",), lanes=8), handle))
    await eventually(lambda: sum(map(len, revisions.values())) == 200)
    assert 1 < most <= 8
    assert all(seen == list(range(1, 11)) for seen in revisions.values())


async def test_a_cancellation_inside_the_handler_is_a_failure_and_not_the_end(server: NatsServer, connect, run) -> None:
    bus, seen = JetStreamBus(await connect(server), backoff=SOON), Recorder()

    async def handle(delivery: Delivery) -> None:
        await seen(delivery)
        if delivery.attempt == 1:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    await bus.publish([registration()])
    run(bus.consume(ONE_LANE, handle))
    await eventually(lambda: [delivery.attempt for delivery in seen.deliveries] == [1, 2])
