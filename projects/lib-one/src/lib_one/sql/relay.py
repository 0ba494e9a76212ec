"""The relay: carries recorded facts from the outbox to the bus, in order, one relay at a time.

A fact is marked as sent only after the bus has acknowledged it. What the bus did not answer is unknown, so it is sent
again with the same id. Facts about one aggregate are never in flight together: however a batch fails, a later one
cannot overtake an earlier one.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, select, update

from lib_one.bus import Bus, Stored
from lib_one.errors import BusUnavailableError, MalformedEventError, SubjectError
from lib_one.event import Event, Message, Now
from lib_one.observe import Histogram, get_logger
from lib_one.sql.bookmarks import Bookmarks, advance
from lib_one.sql.database import Database
from lib_one.sql.errors import DatabaseError
from lib_one.sql.outbox import outbox_table as outbox
from lib_one.sql.prepared import Prepared
from lib_one.sql.pulse import Pulse

log = get_logger(__name__)

BATCH, URGENT_BATCH = 500, 200
"""Facts read and published at a time, and held in memory. Ordinary ones go to their stream as a whole; urgent ones go
each for itself, and with fewer of them the next revocation waits for less."""
POLL = 1.0
"""Seconds after which the outbox is looked at even if nobody called."""
LINGER = 0.003
"""Seconds that ordinary facts wait for company after the first one of a batch woke the relay."""
BACK_OFF = (0.1, 2.0)
"""Seconds to wait after a first and after many failures."""
TRIES = 6
"""Refusals, other than the bus being away, after which a fact is put aside."""
STUCK = timedelta(seconds=60)
"""When the first fact has waited for so long, something is wrong."""
PRUNE_EVERY = 600.0
"""Seconds between two rounds of pruning."""
_PRUNE_BATCH = 1000

_COLUMNS = (
    outbox.c.position,
    outbox.c.aggregate,
    outbox.c.subject,
    outbox.c.headers,
    outbox.c.body,
    outbox.c.recorded_at,
)
_waiting = outbox.c.sent_at.is_(None) & outbox.c.refused_at.is_(None)
_next = {
    urgent: Prepared(
        select(*_COLUMNS).where(outbox.c.urgent.is_(urgent), _waiting).order_by(outbox.c.position).limit(batch)
    )
    for urgent, batch in ((True, URGENT_BATCH), (False, BATCH))
}
_mark_sent = Prepared(
    update(outbox)
    .where(outbox.c.position.between(bindparam("first"), bindparam("last")))
    .values(sent_at=bindparam("t"))
)
_mark_refused = Prepared(
    update(outbox).where(outbox.c.position == bindparam("p")).values(refused_at=bindparam("t"), error=bindparam("e"))
)
_delete = Prepared(delete(outbox).where(outbox.c.position == bindparam("p")))
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


class Backlog(NamedTuple):
    """What waits in the outbox."""

    events: int
    oldest_at: datetime | None
    """When the first of them was recorded."""

    def age(self, now: datetime) -> timedelta:
        """How long the first of them has waited."""
        return timedelta() if self.oldest_at is None else max(now - self.oldest_at, timedelta())


class _Row(NamedTuple):
    position: int
    aggregate: str
    message: Message
    recorded_at: datetime


class _Lane:
    """Urgent or ordinary facts: its wake-up call, and how its last batches went."""

    def __init__(self, *, urgent: bool) -> None:
        self.urgent = urgent
        self.wake = asyncio.Event()
        self.idle = asyncio.Event()
        self.again = asyncio.Event()
        """Try once more now, without waiting for the end of the back-off."""
        self.failures = 0
        self.refusals: dict[int, int] = {}

    @property
    def back_off(self) -> float:
        """Seconds to leave the bus alone."""
        first, longest = BACK_OFF
        return min(longest, first * 2.0 ** min(self.failures - 1, 10))


class Relay:
    """Publishes what `Outbox` recorded. Run as many as you like: one works, the others wait to take over."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        now: Now,
        heartbeat: Callable[[datetime], Event] | None = None,
        keep: timedelta = timedelta(days=1),
        revocation_life: timedelta = timedelta(minutes=11),
    ) -> None:
        """With `heartbeat`, one is published every second that finds the urgent lane empty.

        It is given a time before which every committed revocation lies in the stream. `keep` is how long sent facts
        stay, so that a wiped bus can be filled again. `revocation_life` is how long a revocation matters, the longest
        life of an access token and a minute: for so long it is published again into a stream that may have lost it;
        and one that the bus refused silences the heartbeat for so long: guards must ask instead of trusting.
        """
        self.published = 0
        """Facts that the bus has acknowledged to this relay."""
        self.refused = 0
        """Facts that the bus refused for good: they are put aside, with the error."""
        self.lag = Histogram()
        """Seconds from the recording of each to its acknowledgement."""
        self.working = False
        """Whether this relay is the one that works."""
        self._database = database
        self._bus = bus
        self._now = now
        self._pulse = (
            None if heartbeat is None else Pulse(database, bus, heartbeat=heartbeat, revocation_life=revocation_life)
        )
        self._bookmarks = Bookmarks(database, bus)
        self._keep = max(keep, revocation_life)
        self._urgent = _Lane(urgent=True)
        self._normal = _Lane(urgent=False)
        database.on_commit(self._urgent.wake.set, urgent=True)
        database.on_commit(self._normal.wake.set, urgent=False)

    async def run(self) -> None:
        """Relay until cancelled. The loss of the bus, of the database or of another relay is survived."""
        await self._database.alone("outbox-relay", self._work, woken=self._woken)

    async def pending(self) -> int:
        """How many recorded facts have not reached the bus yet."""
        statement = select(func.count()).select_from(outbox).where(_waiting)
        return await self._database.read(lambda connection: connection.execute(statement).scalar_one())

    async def backlog(self) -> Backlog:
        """How many recorded facts have not reached the bus yet, and since when."""
        return Backlog(await self.pending(), await self._database.read(_oldest))

    @property
    def failing(self) -> bool:
        """Whether the last attempt to publish or to read failed."""
        return self.working and (self._urgent.failures > 0 or self._normal.failures > 0)

    async def prune(self) -> int:
        """Forget the facts that were sent longer ago than `keep`; returns how many."""
        before = self._now() - self._keep
        pruned = 0
        position = 0
        while True:
            position, count = await self._database.work(partial(_prune, after=position, before=before))
            pruned += count
            if not position:
                return pruned

    def _woken(self) -> None:
        self._urgent.wake.set()
        self._normal.wake.set()

    async def _work(self) -> None:
        """The life of the one relay that holds the lock."""
        self._urgent.idle.clear()
        if self._pulse is not None:
            self._pulse.doubt()  # another relay may have worked since
        self.working = True
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._serve(self._urgent))
                tasks.create_task(self._serve(self._normal))
                tasks.create_task(self._prune_for_ever())
        finally:
            self.working = False

    async def _serve(self, lane: _Lane) -> None:
        while True:
            lane.wake.clear()
            try:
                if not lane.urgent:
                    if lane.failures and self._urgent.failures:
                        # The bus may be back, and what is urgent goes first.
                        self._urgent.idle.clear()
                        self._urgent.again.set()
                    await self._urgent.idle.wait()
                drained_at = await self._drain(lane)
                if drained_at is not None and lane.urgent and self._pulse is not None:
                    await self._pulse.beat(drained_at, lambda: self._drain(self._urgent))
            except BusUnavailableError as error:
                self._wait_for_bus(lane, error)
            except DatabaseError as error:
                if lane.failures == 0:
                    log.warning("relay_waits_for_database", urgent=lane.urgent, error=str(error))
                lane.failures += 1
            except Exception:
                # A relay that died would be a silent loss: whatever it is, say it and try again.
                lane.failures += 1
                log.exception("relay_failed", urgent=lane.urgent, failures=lane.failures)
            lane.idle.set()
            if lane.failures:
                await self._leave_alone(lane)
            else:
                await self._rest(lane)

    async def _leave_alone(self, lane: _Lane) -> None:
        lane.again.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(lane.back_off):
                await lane.again.wait()

    async def _rest(self, lane: _Lane) -> None:
        try:
            async with asyncio.timeout(POLL):
                await lane.wake.wait()
        except TimeoutError:
            return
        if lane.urgent:
            lane.idle.clear()
        else:
            await asyncio.sleep(LINGER)

    async def _drain(self, lane: _Lane) -> datetime | None:
        """Publish what waits. Returns a time before which every committed fact is in the stream, `None` on failure."""
        while True:
            if not lane.urgent:
                await self._bookmarks.compare()
            asked_at = self._now()
            rows = await self._database.glance(lambda connection: _select(connection, urgent=lane.urgent))
            if rows and not await self._publish(lane, rows):
                return None
            if lane.failures:
                log.info("relay_resumed", urgent=lane.urgent, failures=lane.failures)
                lane.failures = 0
            if not rows:
                return asked_at

    async def _publish(self, lane: _Lane, rows: Sequence[_Row]) -> bool:
        """Publish a batch; true if the lane can go on at once."""
        sent: list[int] = []
        recorded: list[datetime] = []
        reached: dict[str, int] = {}
        refused: list[tuple[int, str]] = []
        failed: BaseException | None = None
        for turn in _turns(rows):
            try:
                results: Sequence[Stored | BaseException] = await self._bus.publish([row.message for row in turn])
            except Exception as lost:
                results = [lost] * len(turn)
            if lane.urgent and self._pulse is not None:
                self._pulse.follow(results)
            for row, result in zip(turn, results, strict=True):
                if isinstance(result, Stored):
                    sent.append(row.position)
                    recorded.append(row.recorded_at)
                    if not lane.urgent:
                        reached[result.stream] = max(result.sequence, reached.get(result.stream, 0))
                    lane.refusals.pop(row.position, None)
                elif self._is_final(lane, row, result):
                    refused.append((row.position, f"{type(result).__name__}: {result}"))
                    log.error("event_refused", subject=row.message.subject, position=row.position, error=str(result))
                else:
                    failed = result
            if failed is not None:
                break
        if sent or refused:
            now = self._now()
            await self._database.work(lambda connection: _mark(connection, sent, reached, refused, now))
            self.published += len(sent)
            for moment in recorded:
                self.lag.observe((now - moment).total_seconds())
            self.refused += len(refused)
        if failed is not None:
            self._wait_for_bus(lane, failed)
        return failed is None

    def _wait_for_bus(self, lane: _Lane, error: BaseException) -> None:
        if lane.failures == 0:
            log.warning("relay_waits_for_bus", urgent=lane.urgent, error=f"{type(error).__name__}: {error}")
        lane.failures += 1

    def _is_final(self, lane: _Lane, row: _Row, error: BaseException) -> bool:
        """Whether no retry can help. The bus being away is never final."""
        if isinstance(error, (SubjectError, MalformedEventError)):
            return True
        if isinstance(error, (BusUnavailableError, OSError, TimeoutError)):
            return False
        tries = lane.refusals[row.position] = lane.refusals.get(row.position, 0) + 1
        if tries < TRIES:
            return False
        del lane.refusals[row.position]
        return True

    async def _prune_for_ever(self) -> None:
        while True:
            try:
                pruned = await self.prune()
                if pruned:
                    log.info("outbox_pruned", events=pruned)
            except Exception:
                log.exception("prune_failed")
            await asyncio.sleep(PRUNE_EVERY)


def _turns(rows: Iterable[_Row]) -> list[list[_Row]]:
    """Split a batch so that each aggregate has one fact in a turn, in its order."""
    turns: list[list[_Row]] = []
    seen: dict[str, int] = {}
    for row in rows:
        turn = seen.get(row.aggregate, 0)
        seen[row.aggregate] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    return turns


def _select(connection: Connection, *, urgent: bool) -> list[_Row]:
    return [
        _Row(position, aggregate, Message(subject, _decode_headers(headers), body), recorded_at)
        for position, aggregate, subject, headers, body, recorded_at in _next[urgent].all(connection)
    ]


def _oldest(connection: Connection) -> datetime | None:
    lanes = (
        select(outbox.c.recorded_at).where(outbox.c.urgent.is_(urgent), _waiting).order_by(outbox.c.position).limit(1)
        for urgent in (True, False)
    )
    found = [connection.execute(lane).scalar() for lane in lanes]
    return min((moment for moment in found if moment is not None), default=None)


def _mark(
    connection: Connection,
    sent: Sequence[int],
    reached: Mapping[str, int],
    refused: Sequence[tuple[int, str]],
    now: datetime,
) -> None:
    _mark_sent.run_many(connection, [{"first": first, "last": last, "t": now} for first, last in _runs(sent)])
    advance(connection, reached)
    _mark_refused.run_many(connection, [{"p": position, "t": now, "e": error[:1000]} for position, error in refused])


def _runs(positions: Iterable[int]) -> list[tuple[int, int]]:
    """The first and the last of each run without a gap: between them is nothing else, and there are few."""
    runs: list[tuple[int, int]] = []
    for position in sorted(positions):
        if runs and position == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs


def _prune(connection: Connection, after: int, before: datetime) -> tuple[int, int]:
    """One chunk; returns the position to go on from (0: done) and how many facts were deleted."""
    chunk = connection.execute(
        select(outbox.c.position, outbox.c.sent_at)
        .where(outbox.c.position > after)
        .order_by(outbox.c.position)
        .limit(_PRUNE_BATCH)
    ).all()
    old = [position for position, sent_at in chunk if sent_at is not None and sent_at < before]
    _delete.run_many(connection, [{"p": position} for position in old])
    # Facts are sent nearly in order: a chunk that is all young is followed by younger ones.
    last: int = chunk[-1].position if old and len(chunk) == _PRUNE_BATCH else 0
    return last, len(old)
