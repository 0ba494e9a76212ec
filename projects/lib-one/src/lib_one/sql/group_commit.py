"""Group commit: one thread runs the units of work that wait in one transaction, and commits once for all of them.

The good case has no savepoints. When somebody fails after having written, the batch is rolled back and run again with
a savepoint around each; when a rule that is checked at the commit is broken, each runs in a transaction of its own.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from lib_one.observe import get_logger
from lib_one.sql.database import Unit, WorkFunction
from lib_one.sql.errors import DatabaseUnavailableError, WorkAbortedError, as_exception

log = get_logger(__name__)

MAX_BATCH = 512
"""Units of work after which a transaction takes no more: the first of them waits, and a commit gets no cheaper."""
TURNS = 2
"""Turns of the event loop in which units of work gather before they go to the thread.

One after the other would wake it for each, and it would run against the event loop for the interpreter's lock. In the
second turn come those whose requests arrived meanwhile; a loop with nothing else to do takes microseconds for it.
"""

type Committed = Callable[[bool, bool], None]
"""Told on the event loop after a commit: were revocations recorded, and were other events?"""


class Link:
    """One SQLite connection for as long as a database is open: SQLAlchemy's, and the driver's beneath it."""

    __slots__ = ("connection", "raw", "unit")

    def __init__(self, connection: Connection, raw: sqlite3.Connection, unit: Unit) -> None:
        self.connection = connection
        self.raw = raw
        self.unit = unit

    def close(self) -> None:
        """Close both; what was not committed is undone."""
        self.raw.close()
        self.connection.detach()


class _Job:
    """One unit of work that waits, and what became of it."""

    __slots__ = ("context", "error", "fn", "future", "loop", "value")

    def __init__(self, fn: WorkFunction[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.fn = fn
        self.loop = loop
        self.context = copy_context()
        self.future: asyncio.Future[Any] = loop.create_future()
        self.value: Any = None
        self.error: Exception | None = None


class GroupCommit:
    """The one writer of a SQLite file in this process. `open_link` gives it a connection, again if it breaks."""

    def __init__(self, open_link: Callable[[], Link], committed: Committed) -> None:
        self.commits = 0
        """Transactions committed so far."""
        self._open_link = open_link
        self._writer = open_link()
        self._committed = committed
        self._gathering: list[_Job] = []
        self._queue: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="sqlite-write", daemon=True)
        self._thread.start()

    def submit(self, fn: WorkFunction[Any]) -> asyncio.Future[Any]:
        """Queue a unit of work of the running event loop. The future is answered after the commit.

        It runs in the caller's context, so that what it records belongs to the caller's trace.
        """
        job = _Job(fn, asyncio.get_running_loop())
        gathering = self._gathering
        if not gathering or gathering[-1].loop is not job.loop:
            job.loop.call_soon(self._next_turn, TURNS - 1)
        gathering.append(job)
        return job.future

    def hand_over(self) -> None:
        """Give to the thread what has gathered; on the event loop."""
        if self._gathering:
            self._queue.put(self._gathering)
            self._gathering = []

    def _next_turn(self, more: int) -> None:
        if more:
            asyncio.get_running_loop().call_soon(self._next_turn, more - 1)
        else:
            self.hand_over()

    def close(self) -> None:
        """Finish what was handed over, then end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()

    # What follows runs on the writer thread.

    def _write(self) -> None:
        open_ = True
        while open_:
            batch: list[_Job] = []
            jobs = self._queue.get()
            try:
                while jobs is not None:
                    batch += (job for job in jobs if not job.future.cancelled())
                    if len(batch) >= MAX_BATCH:
                        break
                    jobs = self._queue.get_nowait()
                else:
                    open_ = False
            except Empty:
                pass
            if batch:
                try:
                    self._serve(batch)
                except BaseException as error:  # a dead thread would let everybody wait for ever
                    self._recover(batch, error)
        self._writer.close()

    def _recover(self, batch: Sequence[_Job], error: BaseException) -> None:
        """The connection itself is broken: nothing of this batch is known to be written."""
        log.error("sqlite_writer_broken", units=len(batch), error=f"{type(error).__name__}: {error}")
        self._fail(batch, error)
        self._answer(batch)
        try:
            self._writer.close()
            self._writer = self._open_link()
        except Exception as again:  # the next batch comes here too, and is answered
            log.error("sqlite_writer_stays_broken", error=str(again))

    def _serve(self, batch: Sequence[_Job]) -> None:
        """Decide each job of a batch, then answer all of them."""
        unit = self._writer.unit
        raw = self._writer.raw
        try:
            for attempt in (self._together, self._behind_savepoints, self._one_by_one):
                unit.clear()
                if attempt(batch):
                    break
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
        except BaseException as error:
            # Whatever it was (another process holds the file, the disk is full), nobody may wait for ever.
            log.error("sqlite_commit_failed", units=len(batch), error=str(error))
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            self._fail(batch, error)
        self._answer(batch)

    def _fail(self, batch: Sequence[_Job], error: BaseException) -> None:
        self._writer.unit.clear()
        for job in batch:
            job.error = DatabaseUnavailableError(f"the database cannot be written: {error}")
            job.error.__cause__ = error

    def _together(self, batch: Sequence[_Job]) -> bool:
        """The good case, without a savepoint: false if somebody failed after it had written."""
        raw = self._writer.raw
        raw.execute("BEGIN IMMEDIATE")
        for job in batch:
            changes = raw.total_changes
            self._run(job)
            if job.error is not None and raw.total_changes != changes:
                return False
        return self._commit()

    def _behind_savepoints(self, batch: Sequence[_Job]) -> bool:
        """Run everything again so that each failure is undone alone."""
        raw = self._writer.raw
        raw.execute("BEGIN IMMEDIATE")
        for job in batch:
            self._writer.unit.audience = None  # whoever changed it may have been undone
            raw.execute("SAVEPOINT job")
            self._run(job)
            if job.error is not None:
                raw.execute("ROLLBACK TO job")
            raw.execute("RELEASE job")
        return self._commit()

    def _one_by_one(self, batch: Sequence[_Job]) -> bool:
        """Each in a transaction of its own: somebody broke a rule that is only checked at the commit."""
        raw = self._writer.raw
        for job in batch:
            self._writer.unit.audience = None  # each transaction sees its own
            raw.execute("BEGIN IMMEDIATE")
            self._run(job)
            try:
                if job.error is None:
                    raw.execute("COMMIT")
                    self.commits += 1
            except sqlite3.IntegrityError as error:
                job.error = IntegrityError("COMMIT", None, error)
            if raw.in_transaction:
                raw.execute("ROLLBACK")
        return True

    def _run(self, job: _Job) -> None:
        job.error = None
        try:
            job.value = job.context.run(job.fn, self._writer.connection)
        except BaseException as error:  # the caller's, and the thread must live
            job.error = as_exception(error)
        savepoint = self._writer.connection.get_nested_transaction()
        if savepoint is not None:
            job.error = job.error or WorkAbortedError("a unit of work left a savepoint open")
            while savepoint is not None:
                savepoint.rollback()
                savepoint = self._writer.connection.get_nested_transaction()
        if not self._writer.raw.in_transaction:
            raise WorkAbortedError("the transaction was lost") from job.error

    def _commit(self) -> bool:
        try:
            self._writer.raw.execute("COMMIT")
        except sqlite3.IntegrityError:
            return False
        self.commits += 1
        return True

    def _answer(self, batch: Sequence[_Job]) -> None:
        unit = self._writer.unit
        urgent, normal = unit.urgent, unit.normal
        loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in batch:
            loops.setdefault(job.loop, []).append(job)
        for loop, jobs in loops.items():
            try:
                loop.call_soon_threadsafe(self._resolve, jobs, urgent, normal)
            except RuntimeError:  # that loop is closed, and with it everybody who waited there
                log.warning("sqlite_waiter_gone", units=len(jobs))

    def _resolve(self, jobs: Sequence[_Job], urgent: bool, normal: bool) -> None:
        """Answer the waiters; on the event loop, once per commit. Whoever waits for what was recorded is woken first.

        That is the relay: behind the answers of a whole batch, a revocation would leave late.
        """
        try:
            self._committed(urgent, normal)
        finally:
            for job in jobs:
                if not job.future.done():
                    if job.error is None:
                        job.future.set_result(job.value)
                    else:
                        job.future.set_exception(job.error)
