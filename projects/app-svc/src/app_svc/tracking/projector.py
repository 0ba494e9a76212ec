"""The worker that builds the timeline: it consumes the SHIPMENTS stream and writes each fact once."""

import asyncio
from collections.abc import Callable

from app_svc.db import Connection
from app_svc.tracking import store
from app_svc.tracking.entry import Line, line_of
from lib_one.bus import Bus, Delivery
from lib_one.event import Now
from lib_one.nats import APP_PROJECTOR
from lib_one.observe import get_logger
from lib_one.sql import Database, DatabaseUnavailableError, Inbox, sweep_all

log = get_logger(__name__)

BATCH = 256
"""Lines in one transaction, at most."""
PRUNE_EVERY = 3600.0
"""Seconds."""
LONGEST_PAUSE = 5.0
"""Seconds between attempts while the database is away, at most."""


class _Job:
    """A line that waits to be written."""

    __slots__ = ("done", "error", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.done = False
        self.error: Exception | None = None


class Projector:
    """Facts in, lines of the timeline out.

    A fact may be delivered again, and out of order: the inbox knows the event, the timeline knows the revision, and
    both are asked in the transaction that writes the line. Facts that come while a transaction runs share the next one;
    otherwise each would wait for the feed's row, or on PostgreSQL collide over it.
    """

    def __init__(self, database: Database, *, now: Now, written: Callable[[], None]) -> None:
        """`written` is called after each commit of new lines."""
        self._database = database
        self._inbox = Inbox(APP_PROJECTOR.durable, now=now)
        self._written = written
        self._waiting: list[_Job] = []
        self._turn = asyncio.Lock()

    async def run(self, bus: Bus) -> None:
        """Consume until cancelled."""
        await bus.consume(APP_PROJECTOR, self.handle)

    async def handle(self, delivery: Delivery) -> None:
        """Apply one delivery; a copy does nothing."""
        line = line_of(delivery.event)
        if line is None:
            log.info("fact without a line in the timeline", type=delivery.event.type)
            return
        job = _Job(line)
        self._waiting.append(job)
        async with self._turn:
            while not job.done:  # else whoever had the turn before us has written it
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                try:
                    await self._write(batch)
                finally:
                    self._waiting[:0] = [other for other in batch if not other.done]
        if job.error is not None:
            raise job.error

    async def _write(self, batch: list[_Job]) -> None:
        try:
            written = await self._commit([job.line for job in batch])
        except Exception as error:
            if len(batch) > 1:  # a line that cannot be written must not take the others with it
                for job in batch:
                    await self._write([job])
                return
            batch[0].error = error
            written = 0
        for job in batch:
            job.done = True
        if written:
            self._written()

    async def _commit(self, lines: list[Line]) -> int:
        """Write what is new. A database that is away is no fault of the facts: they wait here.

        A failure would use up their attempts and send them to the dead letters.
        """

        def project(connection: Connection) -> int:
            new = [line for line in lines if self._inbox.first_time(connection, line.event_id)]
            return store.append(connection, new) if new else 0

        pause = 0.25
        while True:
            try:
                return await self._database.work(project)
            except DatabaseUnavailableError as error:
                log.warning("the timeline cannot be written", reason=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def prune_for_ever(self) -> None:
        """Once an hour, forget what the inbox need not know any more."""
        while True:
            await sweep_all(self._database, self._inbox.prune)
            await asyncio.sleep(PRUNE_EVERY)
