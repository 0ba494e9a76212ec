"""The pulse: once a second the relay vouches, in the stream of revocations itself, that none is missing there.

A stream can be lost: wiped, deleted and made again, purged, put back to an earlier state. A heartbeat in what is left
would make every guard that starts then trust a list with holes. So each heartbeat names what it follows, the last
message that the relay knows to be in the stream and the heartbeat before, and the server stores it there or not at all.
Where this chain is broken (by any doubt, and at the start there is none yet) a new one begins with a heartbeat of long
ago, and every revocation that can still matter is published again before the next one, which follows the last of those.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from functools import partial

import msgspec
from sqlalchemy import Connection, select

from lib_one.bus import After, Bus, Stored
from lib_one.event import Event, Message, new_id
from lib_one.observe import get_logger
from lib_one.sql.database import Database
from lib_one.sql.outbox import outbox_table as outbox

log = get_logger(__name__)

EVERY = 0.9
"""Seconds between two heartbeats, at least."""
PAGE = 200
"""Revocations that are published again at a time: new ones wait no longer than for so many."""

_urgent = outbox.c.urgent.is_(True)
_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


class Pulse:
    """The heartbeats of the one relay that works."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        *,
        heartbeat: Callable[[datetime], Event],
        revocation_life: timedelta,
    ) -> None:
        self._database = database
        self._bus = bus
        self._heartbeat = heartbeat
        self._revocation_life = revocation_life
        self._due = 0.0
        self._unbroken = False
        self._end = After()

    def doubt(self) -> None:
        """What the stream holds is not known: publish everything again before the next heartbeat."""
        self._unbroken = False

    def follow(self, results: Iterable[Stored | BaseException]) -> None:
        """Take note of what became of revocations, in the order in which they were published."""
        for result in results:
            # A copy was stored earlier, and may have been purged since. A lower sequence is of another stream.
            if isinstance(result, Stored) and not result.copy and result.sequence > (self._end.last or 0):
                self._end = self._end._replace(last=result.sequence)
            else:
                self.doubt()

    async def beat(self, drained_at: datetime, drain: Callable[[], Awaitable[datetime | None]]) -> None:
        """Publish a heartbeat if one is due and no revocation is missing from the stream.

        Args:
            drained_at: Every revocation that was committed before then has been published.
            drain: Publishes those that were committed since; `None` if that failed.
        """
        loop_time = asyncio.get_running_loop().time()
        if loop_time < self._due:
            return
        self._due = loop_time + EVERY
        since = drained_at - self._revocation_life
        if await self._database.glance(partial(_refused, since=since)):
            log.error("heartbeat_withheld", reason="the bus refused a revocation")
        else:
            try:
                await self._vouch(drained_at, since, drain)
            except BaseException:
                self.doubt()  # half-way: nothing is known
                raise

    async def _vouch(
        self, drained_at: datetime, since: datetime, drain: Callable[[], Awaitable[datetime | None]]
    ) -> None:
        if not self._unbroken and not await self._refill(since, drain):
            return
        (result,) = await self._bus.publish([self._heartbeat(drained_at).encode()], after=self._end)
        if isinstance(result, Stored):
            self._end = After(last=result.sequence, same_subject=result.sequence)
        else:
            self.doubt()
            log.warning("heartbeat_failed", error=f"{type(result).__name__}: {result}")

    async def _refill(self, since: datetime, drain: Callable[[], Awaitable[datetime | None]]) -> bool:
        """Publish every revocation recorded after `since` again; true if all of them are in one stream."""
        if not await self._begin(since):
            return False
        position = count = 0
        while await drain() is not None:
            page = await self._database.read(partial(_sent, since=since, after=position))
            self.follow(await self._bus.publish([message for _, message in page]))
            if not self._unbroken:
                break
            count += len(page)
            if len(page) < PAGE:
                if count:
                    log.info("revocations_published_again", events=count)
                return True
            position = page[-1][0]
        self.doubt()
        return False

    async def _begin(self, since: datetime) -> bool:
        """Begin a chain with a heartbeat that is too old for any guard to trust, before all that it has to follow.

        So the one that vouches follows a heartbeat too, and is refused in a stream that was purged in between.
        """
        (result,) = await self._bus.publish([self._heartbeat(since).encode()])
        if not isinstance(result, Stored):
            log.warning("heartbeat_failed", error=f"{type(result).__name__}: {result}")
            return False
        self._unbroken, self._end = True, After(last=result.sequence, same_subject=result.sequence)
        return True


def _refused(connection: Connection, since: datetime) -> bool:
    refused = select(outbox.c.position).where(_urgent, outbox.c.refused_at.is_not(None), outbox.c.recorded_at > since)
    return connection.execute(refused.limit(1)).first() is not None


def _sent(connection: Connection, since: datetime, after: int) -> list[tuple[int, Message]]:
    """A page of the revocations recorded after `since`, with ids under which the bus does not know them.

    A purged stream forgets its messages but not their ids: it would take the same ones for copies.
    """
    page = connection.execute(
        select(outbox.c.position, outbox.c.subject, outbox.c.headers, outbox.c.body)
        .where(_urgent, outbox.c.sent_at.is_not(None), outbox.c.recorded_at > since, outbox.c.position > after)
        .order_by(outbox.c.position)
        .limit(PAGE)
    )
    return [
        (position, Message(subject, _decode_headers(headers) | {"Nats-Msg-Id": new_id()}, body))
        for position, subject, headers, body in page
    ]
