"""The help for tests helps."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest

from lib_one.bus import Delivery, Later, Subscription
from lib_one.contracts.auth import UserDisabled, UserEnabled
from lib_one.errors import BusUnavailableError
from lib_one.event import event
from lib_one.nats import NatsConnection
from lib_one.testing import Clock, RecordingBus, are_stored, eventually, free_port, nats_server

ALL = Subscription("AUTH", "test__all", ("auth.>",))


def test_the_clock_stands_still_until_it_is_turned() -> None:
    clock = Clock()
    before = clock()
    assert clock() == before
    clock.advance(timedelta(minutes=5))
    assert clock() - before == timedelta(minutes=5)
    assert clock().utcoffset() == timedelta(0)


def test_the_clock_starts_where_it_is_told() -> None:
    assert Clock(datetime(2030, 1, 1, tzinfo=UTC))().year == 2030


async def test_eventually_waits_for_something_sync_or_async() -> None:
    state: list[int] = []

    async def grow() -> None:
        for number in range(3):
            await asyncio.sleep(0.01)
            state.append(number)

    async def last() -> int:
        return state[-1] if state else 0

    task = asyncio.create_task(grow())
    assert await eventually(lambda: len(state) == 2 or None)
    assert await eventually(last) in (1, 2)
    await task


async def test_eventually_says_what_it_waited_for() -> None:
    nothing: list[int] = []
    with pytest.raises(AssertionError, match=r"len\(nothing\) == 1"):
        await eventually(lambda: len(nothing) == 1, 0.05)


async def test_eventually_takes_a_function_of_asserts_and_shows_the_last_failure() -> None:
    def check() -> bool:
        assert 1 == 2, "one is two"
        return True

    with pytest.raises(AssertionError) as caught:
        await eventually(check, 0.05)
    assert "one is two" in str(caught.value.__cause__)


async def test_eventually_lets_other_errors_through_at_once() -> None:
    def broken() -> bool:
        raise LookupError("a bug in the test")

    with pytest.raises(LookupError):
        await eventually(broken)


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


async def test_the_recording_bus_remembers_and_drops_copies(clock: Clock) -> None:
    bus = RecordingBus()
    fact = event(UserDisabled(user_id="u1"), source="/test", now=clock)
    assert are_stored(await bus.publish([fact.encode(), fact.encode()]))
    assert are_stored(await bus.publish([fact.encode()]))
    assert bus.events == [fact]


async def test_the_recording_bus_can_be_away(clock: Clock) -> None:
    bus = RecordingBus()
    bus.away = True
    fact = event(UserDisabled(user_id="u1"), source="/test", now=clock)
    outcome = await bus.publish([fact.encode()])
    assert isinstance(outcome[0], BusUnavailableError)
    assert bus.published == []


async def test_the_recording_bus_delivers_what_fits_and_again_after_later(clock: Clock) -> None:
    bus = RecordingBus()
    seen: list[Delivery] = []

    async def handle(delivery: Delivery) -> None:
        seen.append(delivery)
        if len(seen) == 1:
            raise Later(timedelta(seconds=1))

    consuming = asyncio.create_task(bus.consume(Subscription("AUTH", "x", ("auth.evt.user.*.disabled",)), handle))
    facts = [UserDisabled(user_id="u1"), UserEnabled(user_id="u1"), UserDisabled(user_id="u2")]
    await bus.publish([event(fact, source="/test", now=clock).encode() for fact in facts])
    await eventually(lambda: len(seen) == 3)
    assert [(delivery.event.subject, delivery.attempt) for delivery in seen] == [("u1", 1), ("u1", 2), ("u2", 1)]
    consuming.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consuming


async def test_an_error_of_a_handler_reaches_the_test(clock: Clock) -> None:
    bus = RecordingBus()
    await bus.publish([event(UserDisabled(user_id="u1"), source="/test", now=clock).encode()])

    async def handle(_delivery: Delivery) -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await bus.consume(ALL, handle)


async def test_the_nats_server_keeps_port_and_keys_through_an_outage() -> None:
    async with nats_server() as server:
        url, seed = server.url, server.seed("app-svc")
        connection = NatsConnection(url, name="test")
        await connection.start()
        assert await connection.wait_connected(30)
        await server.stop()
        await eventually(lambda: not connection.connected)
        await server.start()
        assert await connection.wait_connected(30)
        assert (server.url, server.seed("app-svc")) == (url, seed)
        assert server.seed_file("app-svc").read_text().strip() == seed
        await connection.close()
