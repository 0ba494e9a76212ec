"""The relay carries every recorded fact to the bus, in order, through every fault of the bus."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select, update

from lib_one.bus import After, Bus, Handler, Stored, StreamState, Subscription
from lib_one.contracts.auth import UserDisabled
from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.contracts.shipping import Place, ShipmentDelivered
from lib_one.errors import BusUnavailableError, SubjectError, UnregisteredEventError
from lib_one.event import Contract, Event, Message, event, utc_now
from lib_one.sql import Database, Outbox, Relay, pulse
from lib_one.sql import relay as relay_module
from lib_one.sql.outbox import outbox_table
from lib_one.testing import Clock, eventually
from lib_one.testing.tasks import in_background

type Script = Callable[[Message], BaseException | None]
HEARTBEAT = "auth.rev.heartbeat"


class ScriptedBus(Bus):
    """Stores what the script lets through, and remembers every attempt."""

    def __init__(self, script: Script = lambda _: None) -> None:
        self.script = script
        self.stored: list[Message] = []
        self.attempts: list[Message] = []
        self.stored_but_unanswered: Script = lambda _: None
        self.in_flight: list[int] = []

    async def publish(
        self, messages: Sequence[Message], *, after: After | None = None
    ) -> Sequence[Stored | BaseException]:
        await asyncio.sleep(0)
        self.in_flight.append(len(messages))
        results: list[Stored | BaseException] = []
        for message in messages:
            self.attempts.append(message)
            error = self.script(message)
            copy = False
            if error is None:
                copy = message.headers["Nats-Msg-Id"] in {one.headers["Nats-Msg-Id"] for one in self.stored}
                if not copy:
                    self.stored.append(message)
                error = self.stored_but_unanswered(message)
            results.append(error or Stored("ALL", len(self.stored), copy))
        return results

    async def streams(self) -> Sequence[StreamState]:
        return ()

    async def consume(self, subscription: Subscription, handler: Handler) -> None:
        raise NotImplementedError

    @property
    def facts(self) -> list[Message]:
        """Each once, in the order in which they came first."""
        first = {message.headers["ce-id"]: message for message in reversed(self.stored)}
        return [
            message
            for message in self.stored
            if message.subject != HEARTBEAT and first[message.headers["ce-id"]] is message
        ]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "BACK_OFF", (0.005, 0.02))
    monkeypatch.setattr(relay_module, "POLL", 0.05)
    monkeypatch.setattr(pulse, "EVERY", 0.045)


def heartbeat(at: datetime) -> Event:
    return event(RevocationHeartbeat(sent_at=at), source="/test", now=utc_now)


def fact(shipment: str, revision: int) -> ShipmentDelivered:
    place = Place(name="here")
    return ShipmentDelivered(
        shipment_id=shipment, revision=revision, place=place, delivered_at=utc_now(), recorded_by="me"
    )


async def record(database: Database, *facts: Contract) -> None:
    outbox = Outbox(source="/test", now=utc_now)
    await database.work(lambda connection: outbox.record(connection, *facts))


def revision(message: Message) -> tuple[str, int]:
    number = int(message.body.split(b'"revision":')[1].split(b",")[0])
    return message.headers["ce-subject"], number


def unsent(database: Database) -> int:
    statement = select(func.count()).select_from(outbox_table).where(outbox_table.c.sent_at.is_(None))
    return database.lookup(lambda c: int(c.execute(statement).scalar_one()))


async def test_a_recorded_fact_arrives_as_it_was_encoded(database: Database) -> None:
    bus = ScriptedBus()
    relay = Relay(database, bus, now=utc_now)
    async with in_background(relay.run()):
        await record(database, UserDisabled(user_id="u1"))
        await eventually(lambda: bus.stored)
        await eventually(lambda: unsent(database) == 0)
    (message,) = bus.stored
    assert message.subject == "auth.evt.user.u1.disabled"
    assert message.headers["ce-id"] == message.headers["Nats-Msg-Id"]
    assert message.headers["ce-source"] == "/test"
    assert message.body == b'{"user_id":"u1"}'
    assert await relay.pending() == 0


async def test_a_commit_wakes_the_relay(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "POLL", 60.0)
    bus = ScriptedBus()
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await eventually(lambda: (database.lookup(lambda _: None), True)[1])
        await asyncio.sleep(0.1)
        await record(database, UserDisabled(user_id="u1"), TokenRevoked(token_id="t", expires_at=utc_now()))
        await eventually(lambda: len(bus.stored) == 2)


async def test_an_undone_unit_of_work_tells_nobody(database: Database) -> None:
    outbox = Outbox(source="/test", now=utc_now)

    def fail(connection: Connection) -> None:
        outbox.record(connection, UserDisabled(user_id="u1"))
        raise LookupError

    bus = ScriptedBus()
    async with in_background(Relay(database, bus, now=utc_now).run()):
        with pytest.raises(LookupError):
            await database.work(fail)
        await record(database, UserDisabled(user_id="u2"))
        await eventually(lambda: bus.stored)
    assert [message.headers["ce-subject"] for message in bus.stored] == ["u2"]


class Unregistered(Contract, frozen=True, kw_only=True):
    """A fact that nobody gave a name."""

    def subject(self) -> str:
        return "auth.evt.test.x.happened"

    def aggregate(self) -> str:
        return "x"


async def test_what_is_not_in_the_registry_of_events_is_refused_when_it_is_recorded(database: Database) -> None:
    outbox = Outbox(source="/test", now=utc_now)

    def work(connection: Connection) -> None:
        outbox.record(connection, UserDisabled(user_id="u1"), Unregistered())

    with pytest.raises(UnregisteredEventError):
        await database.work(work)
    assert await Relay(database, ScriptedBus(), now=utc_now).pending() == 0


async def test_a_subject_that_cannot_be_is_refused_when_it_is_recorded(database: Database) -> None:
    with pytest.raises(SubjectError):
        await record(database, UserDisabled(user_id="good"), UserDisabled(user_id="*.bad"))
    assert unsent(database) == 0


async def test_nothing_is_lost_and_each_aggregate_keeps_its_order_while_the_bus_fails(database: Database) -> None:
    dice = random.Random(7)

    def fail_sometimes(_: Message) -> BaseException | None:
        return BusUnavailableError("timed out") if dice.random() < 0.15 else None

    bus = ScriptedBus(fail_sometimes)
    bus.stored_but_unanswered = fail_sometimes
    async with in_background(Relay(database, bus, now=utc_now).run()):
        for number in range(1, 31):
            await record(database, *(fact(shipment, number) for shipment in "abcd"))
        await eventually(lambda: unsent(database) == 0)
    for shipment in "abcd":
        numbers = [number for aggregate, number in map(revision, bus.stored) if aggregate == shipment]
        assert numbers == list(range(1, 31))


async def test_a_publish_that_was_not_answered_is_sent_again_with_its_id(database: Database) -> None:
    bus = ScriptedBus()
    silent = 3

    def unanswered(_: Message) -> BaseException | None:
        nonlocal silent
        silent -= 1
        return BusUnavailableError("timed out") if silent >= 0 else None

    bus.stored_but_unanswered = unanswered
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await record(database, UserDisabled(user_id="u1"))
        await eventually(lambda: unsent(database) == 0)
    assert len(bus.attempts) == 4
    assert len({message.headers["Nats-Msg-Id"] for message in bus.attempts}) == 1
    assert len(bus.stored) == 1


async def test_a_long_outage_is_survived_without_busy_looping(database: Database) -> None:
    bus = ScriptedBus(lambda _: BusUnavailableError("away"))
    relay = Relay(database, bus, now=utc_now)
    async with in_background(relay.run()):
        for number in range(40):
            await record(database, fact("a", number))
            await asyncio.sleep(0.005)
        # Commits do not hurry a relay that waits for its bus.
        assert len(bus.attempts) <= 60
        assert await relay.pending() == 40
        bus.script = lambda _: None
        await eventually(lambda: unsent(database) == 0)
    assert [number for _, number in map(revision, bus.stored)] == list(range(40))


async def test_a_bus_that_raises_is_survived(database: Database) -> None:
    class Broken(ScriptedBus):
        broken = 3

        async def publish(
            self, messages: Sequence[Message], *, after: After | None = None
        ) -> Sequence[Stored | BaseException]:
            self.broken -= 1
            if self.broken >= 0:
                raise RuntimeError("not even a list")
            return await super().publish(messages)

    bus = Broken()
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await record(database, UserDisabled(user_id="u1"))
        await eventually(lambda: unsent(database) == 0)


async def test_revocations_go_before_everything_that_waits(database: Database) -> None:
    await record(database, *(fact(f"s{number}", 1) for number in range(300)))
    await record(database, TokenRevoked(token_id="t1", expires_at=utc_now()))
    bus = ScriptedBus()
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await eventually(lambda: unsent(database) == 0)
    assert bus.stored[0].subject == "auth.rev.token.t1"


async def test_a_revocation_does_not_wait_for_a_stalled_batch(database: Database) -> None:
    class Stalled(ScriptedBus):
        async def publish(
            self, messages: Sequence[Message], *, after: After | None = None
        ) -> Sequence[Stored | BaseException]:
            if messages[0].subject.startswith("shipments."):
                await asyncio.sleep(60)
            return await super().publish(messages)

    bus = Stalled()
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await record(database, fact("a", 1))
        await asyncio.sleep(0.1)
        await record(database, TokenRevoked(token_id="t1", expires_at=utc_now()))
        await eventually(lambda: bus.stored)


async def test_a_heartbeat_never_overtakes_a_revocation(database: Database) -> None:
    dice = random.Random(3)

    def fail_revocations(message: Message) -> BaseException | None:
        known = any(message.headers["ce-id"] == one.headers["ce-id"] for one in bus.stored)
        away = message.subject != HEARTBEAT and not known and dice.random() < 0.5
        return BusUnavailableError("timed out") if away else None

    bus = ScriptedBus(fail_revocations)
    committed: dict[str, datetime] = {}
    async with in_background(Relay(database, bus, now=utc_now, heartbeat=heartbeat).run()):
        for number in range(40):
            await record(database, TokenRevoked(token_id=f"t{number}", expires_at=utc_now()))
            committed[f"t{number}"] = utc_now()
            await asyncio.sleep(0.005)
        await eventually(lambda: len(bus.facts) == 40)
        await eventually(lambda: [message.subject for message in bus.stored[-2:]] == [HEARTBEAT, HEARTBEAT])
    for index, message in enumerate(bus.stored):
        if message.subject != HEARTBEAT:
            continue
        beat = datetime.fromisoformat(message.body.decode().split('"')[3])
        known = {earlier.headers["ce-subject"] for earlier in bus.stored[:index]}
        after = {later.headers["ce-subject"] for later in bus.stored[index:]} - known - {"heartbeat"}
        assert all(committed[token] > beat for token in after)


async def test_a_heartbeat_vouches_for_nothing_that_was_committed_after_the_relay_looked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    glance = database.glance
    committed_at: list[datetime] = []

    async def glance_then_commit[T](query: Callable[[Connection], T]) -> T:
        rows = await glance(query)
        if rows == [] and not committed_at:
            await record(database, TokenRevoked(token_id="late", expires_at=utc_now()))
            committed_at.append(utc_now())
        return rows

    monkeypatch.setattr(database, "glance", glance_then_commit)
    bus = ScriptedBus()
    async with in_background(Relay(database, bus, now=utc_now, heartbeat=heartbeat).run()):
        await eventually(lambda: len(bus.facts) == 1)
    for message in bus.stored[: bus.stored.index(bus.facts[0])]:
        assert datetime.fromisoformat(message.body.decode().split('"')[3]) < committed_at[0]


async def test_heartbeats_stop_while_a_revocation_is_stuck_and_go_on_after_it(database: Database) -> None:
    bus = ScriptedBus()
    async with in_background(Relay(database, bus, now=utc_now, heartbeat=heartbeat).run()):
        await eventually(lambda: len(bus.stored) >= 2)
        bus.script = lambda message: None if message.subject == HEARTBEAT else BusUnavailableError("timed out")
        await record(database, TokenRevoked(token_id="t1", expires_at=utc_now()))
        await eventually(lambda: bus.attempts[-1].subject != HEARTBEAT)
        before = len(bus.stored)
        await asyncio.sleep(0.2)
        assert len(bus.stored) == before
        bus.script = lambda _: None
        await eventually(lambda: len(bus.stored) >= before + 4)
    # After the doubt it is told twice: once because it waited, once because nobody knows what the stream holds, and
    # this time between the heartbeat that begins a chain and the one that vouches.
    subjects = [message.subject for message in bus.stored[before:]]
    assert subjects[:4] == ["auth.rev.token.t1", HEARTBEAT, "auth.rev.token.t1", HEARTBEAT]


@pytest.mark.parametrize("error", [SubjectError("x.y"), ValueError("no stream will ever take this")])
async def test_a_fact_that_the_bus_refuses_is_put_aside_with_its_error(database: Database, error: Exception) -> None:
    bus = ScriptedBus(lambda message: error if message.headers["ce-subject"] == "poison" else None)
    relay = Relay(database, bus, now=utc_now)
    async with in_background(relay.run()):
        await record(database, fact("a", 1), fact("poison", 1), fact("a", 2), fact("b", 1))
        await eventually(lambda: len(bus.stored) == 3)
        await record(database, fact("b", 2))
        await eventually(lambda: len(bus.stored) == 4)
        await eventually(lambda: _none_pending(relay))
    refused = select(outbox_table.c.aggregate, outbox_table.c.error).where(outbox_table.c.refused_at.is_not(None))
    ((aggregate, text),) = database.lookup(lambda c: c.execute(refused).all())
    assert aggregate == "poison"
    assert str(error) in text


async def test_a_refused_revocation_silences_the_heartbeat_as_long_as_it_matters(database: Database) -> None:
    clock = Clock()
    bus = ScriptedBus(lambda message: SubjectError("bad") if message.subject.startswith("auth.rev.token") else None)
    outbox = Outbox(source="/test", now=clock)
    await database.work(lambda c: outbox.record(c, TokenRevoked(token_id="t1", expires_at=clock())))
    relay = Relay(database, bus, now=clock, heartbeat=heartbeat, revocation_life=timedelta(minutes=10))
    async with in_background(relay.run()):
        await asyncio.sleep(0.3)
        assert bus.stored == []
        clock.advance(timedelta(minutes=11))
        await eventually(lambda: bus.stored)


async def test_sent_facts_are_forgotten_after_their_time_and_others_never(database: Database) -> None:
    clock = Clock()
    bus = ScriptedBus()
    relay = Relay(database, bus, now=clock, keep=timedelta(days=1))
    async with in_background(relay.run()):
        await record(database, *(fact("a", number) for number in range(5)))
        await eventually(lambda: unsent(database) == 0)
    await record(database, fact("a", 9))
    statement = update(outbox_table).where(outbox_table.c.position == 1).values(sent_at=None, refused_at=clock())
    await database.work(lambda c: c.execute(statement) and None)
    assert await relay.prune() == 0
    clock.advance(timedelta(days=1, seconds=1))
    assert await relay.prune() == 4
    left = database.lookup(lambda c: c.execute(select(outbox_table.c.sent_at)).scalars().all())
    assert left == [None, None]


async def test_pruning_goes_through_any_number_of_facts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_PRUNE_BATCH", 10)
    clock = Clock()
    relay = Relay(database, ScriptedBus(), now=clock)
    await record(database, *(fact("a", number) for number in range(35)))
    await database.work(lambda c: c.execute(update(outbox_table).values(sent_at=clock())) and None)
    clock.advance(timedelta(days=2))
    assert await relay.prune() == 35


async def test_two_relays_of_which_one_publishes_and_the_other_takes_over(database: Database) -> None:
    first, second = ScriptedBus(), ScriptedBus()
    async with in_background(Relay(database, second, now=utc_now).run()):
        await record(database, fact("a", 1))
        await eventually(lambda: second.stored)
        async with in_background(Relay(database, first, now=utc_now).run()):
            await record(database, fact("a", 2))
            await eventually(lambda: len(second.stored) == 2)
            await asyncio.sleep(0.1)
            assert first.attempts == []
    async with in_background(Relay(database, first, now=utc_now).run()):
        await record(database, fact("a", 3))
        await eventually(lambda: first.stored)
    assert [number for _, number in map(revision, second.stored)] == [1, 2]
    assert [number for _, number in map(revision, first.stored)] == [3]


async def _none_pending(relay: Relay) -> bool:
    return await relay.pending() == 0
