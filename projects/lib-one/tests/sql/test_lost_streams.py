"""What a stream has lost is sent again; and nobody vouches for a stream that may have lost a revocation."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lib_one.bus import After, Stored
from lib_one.contracts.auth import UserDisabled
from lib_one.contracts.revocation import RevocationHeartbeat, SessionRevoked, TokenRevoked
from lib_one.errors import BusUnavailableError
from lib_one.event import Contract, Event, Message, event, utc_now
from lib_one.sql import Database, Outbox, Relay, pulse
from lib_one.sql import relay as relay_module
from lib_one.sql.outbox import bookmark_table
from lib_one.testing import Clock, RecordingBus, eventually, in_background

LIFE = timedelta(minutes=11)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "BACK_OFF", (0.005, 0.02))
    monkeypatch.setattr(relay_module, "POLL", 0.02)
    monkeypatch.setattr(pulse, "EVERY", 0.015)


def heartbeat(at: datetime) -> Event:
    return event(RevocationHeartbeat(sent_at=at), source="/test", now=utc_now)


async def record(database: Database, clock: Clock, *facts: Contract) -> None:
    await database.work(lambda connection: Outbox(source="/test", now=clock).record(connection, *facts))


def revoked(number: int) -> TokenRevoked:
    return TokenRevoked(token_id=f"t{number}", expires_at=utc_now())


def relay(database: Database, bus: RecordingBus, clock: Clock) -> Relay:
    return Relay(database, bus, now=clock, heartbeat=heartbeat, revocation_life=LIFE)


async def sent_and_vouched_for(running: Relay, bus: RecordingBus, clock: Clock) -> None:
    """Wait for a heartbeat after everything that was recorded: one before it says nothing."""

    async def all_sent() -> bool:
        return await running.pending() == 0

    await eventually(all_sent)
    before = beats(bus, clock)
    await eventually(lambda: beats(bus, clock) > before)


def vouches(each: Event, clock: Clock) -> bool:
    """Whether it is a heartbeat, and not the old one that begins a chain."""
    return isinstance(each.data, RevocationHeartbeat) and each.data.sent_at > clock() - LIFE


def beats(bus: RecordingBus, clock: Clock) -> int:
    return sum(vouches(each, clock) for each in bus.stored("REV"))


def assert_no_heartbeat_in_a_stream_with_holes(bus: RecordingBus, clock: Clock, *tokens: int, since: int = 0) -> None:
    names = {f"t{number}" for number in tokens}
    known: set[str] = set()
    for each in bus.stored("REV")[since:]:
        if vouches(each, clock):
            assert known >= names
        known.add(each.subject)


async def test_a_wiped_stream_gets_every_revocation_before_a_heartbeat(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    async with in_background(relay(database, bus, clock).run()):
        await record(database, clock, *(revoked(number) for number in range(3)))
        await eventually(lambda: beats(bus, clock) >= 3)
        bus.wipe()
        await eventually(lambda: beats(bus, clock) >= 3)
    assert_no_heartbeat_in_a_stream_with_holes(bus, clock, 0, 1, 2)


async def test_a_stream_wiped_while_no_relay_ran_gets_them_too(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    async with in_background(relay(database, bus, clock).run()):
        await record(database, clock, revoked(1))
        await eventually(lambda: beats(bus, clock))
    bus.wipe()
    async with in_background(relay(database, bus, clock).run()):
        await eventually(lambda: beats(bus, clock) >= 2)
    assert_no_heartbeat_in_a_stream_with_holes(bus, clock, 1)


class Purged(RecordingBus):
    """As nats-server does it: the messages are gone, the sequence goes on, and the ids count as known."""

    before_heartbeat = False
    purged = 0

    def purge(self) -> None:
        self.purged = len(self._stored["REV"])
        for stream in self._stored.values():
            for place, message in enumerate(stream):
                stream[place] = Message("purged", message.headers, message.body)

    async def publish(
        self, messages: Sequence[Message], *, after: After | None = None
    ) -> Sequence[Stored | BaseException]:
        if self.before_heartbeat and after is not None:
            self.before_heartbeat = False
            self.purge()
        return await super().publish(messages, after=after)


async def test_a_purged_stream_gets_them_although_it_still_knows_their_ids(database: Database, clock: Clock) -> None:
    bus = Purged()
    async with in_background(relay(database, bus, clock).run()):
        await record(database, clock, revoked(1))
        await eventually(lambda: "t1" in {each.subject for each in bus.stored("REV")} and beats(bus, clock))
        bus.purge()
        await eventually(lambda: any(vouches(each, clock) for each in bus.stored("REV")[bus.purged :]))
    assert_no_heartbeat_in_a_stream_with_holes(bus, clock, 1, since=bus.purged)


async def test_a_purge_between_the_refill_and_its_first_heartbeat_is_noticed(database: Database, clock: Clock) -> None:
    bus = Purged()
    running = relay(database, bus, clock)
    async with in_background(Relay(database, bus, now=clock).run()):
        await record(database, clock, revoked(1))
        await eventually(lambda: len(bus.stored("REV")) == 1)
    bus.before_heartbeat = True
    async with in_background(running.run()):
        await eventually(lambda: any(vouches(each, clock) for each in bus.stored("REV")[bus.purged :]))
    assert bus.purged
    assert_no_heartbeat_in_a_stream_with_holes(bus, clock, 1, since=bus.purged)


async def test_what_matters_no_more_is_left_out(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    async with in_background(relay(database, bus, clock).run()):
        await record(database, clock, revoked(1))
        await eventually(lambda: beats(bus, clock))
        clock.advance(LIFE - timedelta(seconds=1))
        await record(database, clock, revoked(2))
        clock.advance(timedelta(seconds=2))
        await eventually(lambda: len(bus.stored("REV")) > 3)
        bus.wipe()
        await eventually(lambda: beats(bus, clock))
    assert {each.subject for each in bus.stored("REV")} == {"t2", "heartbeat"}


async def test_no_page_is_too_many(database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PAGE", 7)
    bus = RecordingBus()
    async with in_background(relay(database, bus, clock).run()):
        await record(database, clock, *(revoked(number) for number in range(50)))
        await eventually(lambda: beats(bus, clock))
        bus.wipe()
        await eventually(lambda: beats(bus, clock))
    assert_no_heartbeat_in_a_stream_with_holes(bus, clock, *range(50))


async def test_a_revocation_during_the_refill_is_not_overtaken(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PAGE", 1)

    class Busy(RecordingBus):
        late = 0

        async def publish(
            self, messages: Sequence[Message], *, after: After | None = None
        ) -> Sequence[Stored | BaseException]:
            if self.late and len(self.stored("REV")) == 1:
                self.late -= 1
                await record(database, clock, SessionRevoked(session_id="late", expires_at=utc_now()))
            return await super().publish(messages, after=after)

    bus = Busy()
    running = relay(database, bus, clock)
    async with in_background(running.run()):
        await record(database, clock, revoked(1), revoked(2), revoked(3))
        await sent_and_vouched_for(running, bus, clock)
        bus.late = 1
        bus.wipe()
        await eventually(lambda: beats(bus, clock))
    told = bus.stored("REV")
    subjects = [each.subject for each in told]
    assert subjects.index("late") < [vouches(each, clock) for each in told].index(True)


async def test_a_wipe_in_the_middle_of_the_refill_begins_it_again(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PAGE", 2)

    class Falling(RecordingBus):
        falls = 0

        async def publish(
            self, messages: Sequence[Message], *, after: After | None = None
        ) -> Sequence[Stored | BaseException]:
            if self.falls and len(self.stored("REV")) == 3:
                self.falls -= 1
                self.wipe()
            return await super().publish(messages, after=after)

    bus = Falling()
    running = relay(database, bus, clock)
    async with in_background(running.run()):
        await record(database, clock, *(revoked(number) for number in range(6)))
        await sent_and_vouched_for(running, bus, clock)
        bus.falls = 3
        bus.wipe()
        await eventually(lambda: beats(bus, clock) >= 2)
        assert bus.falls == 0
    assert_no_heartbeat_in_a_stream_with_holes(bus, clock, *range(6))


async def test_an_unknown_outcome_of_a_heartbeat_ends_in_heartbeats(database: Database, clock: Clock) -> None:
    class Silent(RecordingBus):
        silent = 0

        async def publish(
            self, messages: Sequence[Message], *, after: After | None = None
        ) -> Sequence[Stored | BaseException]:
            outcome = await super().publish(messages, after=after)
            if self.silent and after is not None:
                self.silent -= 1
                if self.silent % 2:
                    raise RuntimeError("a fault")
                return [BusUnavailableError("no acknowledgement in time")]
            return outcome

    bus = Silent()
    async with in_background(relay(database, bus, clock).run()):
        await record(database, clock, revoked(1))
        await eventually(lambda: beats(bus, clock))
        bus.silent = 6
        await eventually(lambda: bus.silent == 0)
        before = beats(bus, clock)
        await eventually(lambda: beats(bus, clock) >= before + 5)
    copies = [each for each in bus.stored("REV") if each.subject == "t1"]
    assert len(copies) <= 1 + 1 + 6, "each doubt costs one copy, and then it is over"


async def test_ordinary_facts_that_a_stream_has_lost_are_sent_again_once(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    async with in_background(Relay(database, bus, now=clock).run()):
        await record(database, clock, *(UserDisabled(user_id=f"u{number}") for number in range(3)))
        await eventually(lambda: len(bus.stored("AUTH")) == 3)
        bus.wipe()
        await eventually(lambda: len(bus.stored("AUTH")) == 3)
        await record(database, clock, UserDisabled(user_id="u3"))
        await eventually(lambda: len(bus.stored("AUTH")) == 4)
    assert [each.subject for each in bus.stored("AUTH")] == ["u0", "u1", "u2", "u3"]
    assert len({message.headers["Nats-Msg-Id"] for message in bus.published}) == 4, "no other ids than before"


async def test_facts_lost_while_no_relay_ran_are_sent_before_newer_ones(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    async with in_background(Relay(database, bus, now=clock).run()):
        await record(database, clock, UserDisabled(user_id="u0"))
        await eventually(lambda: len(bus.stored("AUTH")) == 1)
    bus.wipe()
    await record(database, clock, UserDisabled(user_id="u1"))
    async with in_background(Relay(database, bus, now=clock).run()):
        await eventually(lambda: len(bus.stored("AUTH")) == 2)
    assert [each.subject for each in bus.stored("AUTH")] == ["u0", "u1"]


async def test_a_stream_that_was_set_back_gets_what_it_lost(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    async with in_background(Relay(database, bus, now=clock).run()):
        await record(database, clock, *(UserDisabled(user_id=f"u{number}") for number in range(5)))
        await eventually(lambda: len(bus.stored("AUTH")) == 5)
        await eventually(lambda: _bookmark(database) == 5)
        bus.set_back("AUTH", to=2)
        await eventually(lambda: len(bus.stored("AUTH")) == 5)
    assert [each.subject for each in bus.stored("AUTH")] == ["u0", "u1", "u2", "u3", "u4"]


async def test_a_look_at_streams_that_stand_well_sends_nothing(database: Database, clock: Clock) -> None:
    bus = RecordingBus()
    for number in range(1, 4):
        async with in_background(Relay(database, bus, now=clock).run()):
            await record(database, clock, UserDisabled(user_id="u0"))
            await eventually(lambda: _bookmark(database) == number)  # noqa: B023 - awaited at once
            bus.look()
    async with in_background(Relay(database, bus, now=clock).run()):
        await record(database, clock, UserDisabled(user_id="end"))
        await eventually(lambda: bus.stored("AUTH")[-1].subject == "end")
    assert len(bus.published) == 4


def _bookmark(database: Database) -> int:
    statement = select(bookmark_table.c.last).where(bookmark_table.c.stream == "AUTH")
    return database.lookup(lambda connection: connection.execute(statement).scalar() or 0)
