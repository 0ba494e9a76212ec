"""PostgreSQL: each unit of work in a transaction of its own, `SERIALIZABLE`, in a bounded pool of threads."""

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from lib_one.observe import get_logger
from lib_one.sql.database import UNIT_OPTION, Database, Unit, WorkFunction, keep_open
from lib_one.sql.errors import DatabaseClosedError, DatabaseUnavailableError, WorkAbortedError, as_exception
from lib_one.sql.outbox import outbox_table

log = get_logger(__name__)

WORKERS = 8
"""Units of work at a time."""
READERS = 4
"""Queries at a time."""
TRIES = 40
"""Runs of a unit of work that collides with others before its caller hears of it: some seconds, with the pauses."""
CHANNEL = "lib_one_outbox"
"""`LISTEN` here to hear that events were committed."""
_COLLISIONS = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_UNIQUE_VIOLATION = "23505"
_FAIL_FAST = 0.5
_LOCK_POLL = 0.5
_NOTIFY_DELAY = 0.005
# Seconds are enough for every statement of ours, and a server that died silently is noticed.
_CONNECT: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_TIMEOUTS = "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
_READ_ONLY = f"{_TIMEOUTS} -c default_transaction_read_only=on"


# The indexes of the outbox are partial here as well. The table says it for SQLite alone: whatever names a dialect loads
# it, and that of PostgreSQL takes megabytes.
for _index in outbox_table.indexes:
    _index.dialect_options["postgresql"]["where"] = _index.dialect_options["sqlite"]["where"]


def _lock_key(name: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(f"lib_one:{name}".encode()).digest()[:8], signed=True)


def _url(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg")


def _engine(url: URL, *, size: int, isolation: Any, options: str) -> Engine:
    return create_engine(
        _url(url),
        pool_size=size,
        max_overflow=0,
        isolation_level=isolation,
        hide_parameters=True,  # they may be secrets, and errors are logged
        connect_args=_CONNECT | {"options": options},
    )


@contextmanager
def migrating(url: URL) -> Iterator[Connection]:
    """A connection in the one transaction of a migration. Others wait; an error undoes it."""
    engine = create_engine(_url(url), pool_size=1, connect_args=_CONNECT)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_lock_key("migration"),))
            yield connection
            connection.commit()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailableError(str(error.orig)) from error
    finally:
        engine.dispose()


class PostgresDatabase(Database):
    """See `lib_one.sql.database.Database`."""

    dialect = "postgresql"

    def __init__(self, url: URL) -> None:
        super().__init__()
        self._url = url
        self._work_engine = _engine(url, size=WORKERS, isolation="SERIALIZABLE", options=_TIMEOUTS)
        self._read_engine = _engine(url, size=READERS, isolation="REPEATABLE READ", options=_READ_ONLY)
        self._lookup_engine = _engine(url, size=1, isolation="AUTOCOMMIT", options=_READ_ONLY)
        self._lookup_connection: Connection | None = None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="postgres-work")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="postgres-read")
        self._closed = False
        self._away_until = 0.0
        self._relays_here = False
        self._notify: asyncio.TimerHandle | None = None

    async def work[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.work`."""
        self._refuse_if_closed()
        loop = asyncio.get_running_loop()
        # In the caller's context, so that what is recorded belongs to the caller's trace.
        self.under_way += 1
        try:
            return await loop.run_in_executor(self._workers, copy_context().run, self._work, fn, loop)
        finally:
            self.under_way -= 1

    async def read[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.read`."""
        self._refuse_if_closed()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)

    async def glance[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.glance`: a server far away must not hold up the event loop."""
        return await self.read(fn)

    def lookup[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.lookup`."""
        self._refuse_if_closed()
        fresh = False
        while True:
            try:
                if self._lookup_connection is None:
                    self._refuse_if_away()
                    fresh = True
                    self._lookup_connection = self._lookup_engine.connect()
                return fn(self._lookup_connection)
            except DBAPIError as error:
                if not _is_away(error):
                    raise
                if self._lookup_connection is not None:
                    self._lookup_connection.close()
                    self._lookup_connection = None
                # A connection that had been idle may have died with the server's last restart.
                if fresh:
                    raise self._unavailable(error) from error

    async def close(self) -> None:
        """See `Database.close`."""
        if self._closed:
            return
        self._closed = True
        if self._notify is not None:
            self._notify.cancel()
        await asyncio.to_thread(self._workers.shutdown)
        await asyncio.to_thread(self._readers.shutdown)
        if self._lookup_connection is not None:
            self._lookup_connection.close()
        for engine in (self._work_engine, self._read_engine, self._lookup_engine):
            engine.dispose()

    async def alone(self, name: str, body: Callable[[], Awaitable[None]], *, woken: Callable[[], None]) -> None:
        """See `Database.alone`. The lock is an advisory one; the server frees it when its holder's connection ends."""
        while True:
            try:
                if await self._alone(name, body, woken):
                    return
            except psycopg.OperationalError as error:
                log.warning("lock_lost", name=name, error=str(error))
            await asyncio.sleep(_LOCK_POLL)

    async def _alone(self, name: str, body: Callable[[], Awaitable[None]], woken: Callable[[], None]) -> bool:
        """One connection's life. True if the body came to its end."""
        _, arguments = self._work_engine.dialect.create_connect_args(_url(self._url))
        connection = await psycopg.AsyncConnection.connect(**{**arguments, **_CONNECT}, autocommit=True)
        try:
            while True:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (_lock_key(name),))
                if await cursor.fetchone() == (True,):
                    break
                await asyncio.sleep(_LOCK_POLL)
            await connection.execute(f"LISTEN {CHANNEL}")
            self._relays_here = True
            return await self._watched(body, _listen(connection, woken))
        finally:
            self._relays_here = False
            await connection.close()

    async def _watched(self, body: Callable[[], Awaitable[None]], watch: Coroutine[Any, Any, None]) -> bool:
        """Run the body as long as the watch does not fail. True if the body came to its end."""
        tasks = (asyncio.ensure_future(body()), asyncio.ensure_future(watch))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        return ends[0] is None

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise DatabaseClosedError(self._url.render_as_string())

    def _refuse_if_away(self) -> None:
        """Fail at once for a moment after a failed connection, so that nobody queues up behind time-outs."""
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailableError("the database was away a moment ago")

    def _unavailable(self, error: DBAPIError) -> DatabaseUnavailableError:
        self._away_until = time.monotonic() + _FAIL_FAST
        return DatabaseUnavailableError(str(error.orig))

    # What follows runs on worker threads.

    def _read[T](self, fn: WorkFunction[T]) -> T:
        for last in (False, True):
            try:
                self._refuse_if_away()
                with self._read_engine.connect() as connection:
                    return fn(connection)
            except DBAPIError as error:
                if not _is_away(error):
                    raise
                if last:
                    raise self._unavailable(error) from error
        raise AssertionError

    def _work[T](self, fn: WorkFunction[T], loop: asyncio.AbstractEventLoop) -> T:
        losses = violations = 0
        for attempt in range(1, TRIES + 1):
            self._refuse_if_away()
            unit = Unit()
            try:
                value = self._transaction(fn, unit)
            except DBAPIError as error:
                state = getattr(error.orig, "sqlstate", None)
                if _is_away(error):
                    losses += 1
                    if losses == 2:
                        raise self._unavailable(error) from error
                elif state in _COLLISIONS:
                    if attempt == TRIES:
                        raise DatabaseUnavailableError("too many units of work collide") from error
                    time.sleep(random.uniform(0, min(0.2, 0.002 * 2**attempt)))  # noqa: S311 - no secret
                elif state == _UNIQUE_VIOLATION and not violations:
                    # Whoever looked first and then inserted may have met a neighbour that SERIALIZABLE should have
                    # hidden (PostgreSQL manual 13.2.3). The second run sees the neighbour's row, if that was it.
                    violations += 1
                else:
                    raise
            else:
                if unit.urgent or unit.normal:
                    loop.call_soon_threadsafe(self._recorded, unit)
                return value
        raise DatabaseUnavailableError("the connection was lost again and again")

    def _transaction[T](self, fn: WorkFunction[T], unit: Unit) -> T:
        with self._work_engine.connect() as connection:
            connection = connection.execution_options(**{UNIT_OPTION: unit})
            transaction = connection.begin()
            keep_open(connection)
            try:
                value = fn(connection)
            except BaseException as error:
                plain = as_exception(error)
                if plain is error:
                    raise
                raise plain from error
            raw = cast("psycopg.Connection", connection.connection.dbapi_connection)
            if connection.in_nested_transaction():
                raise WorkAbortedError("a unit of work left a savepoint open")
            if raw.info.transaction_status == TransactionStatus.INERROR:
                # COMMIT would roll back without a word.
                raise WorkAbortedError("a unit of work went on after a failed statement")
            try:
                transaction.commit()
            except (OperationalError, InterfaceError) as error:
                if error.connection_invalidated:
                    # It may have been committed: running it again could do it twice.
                    raise DatabaseUnavailableError("the connection was lost during the commit") from error
                raise
            return value

    # Back on the event loop.

    def _recorded(self, unit: Unit) -> None:
        self._committed(urgent=unit.urgent, normal=unit.normal)
        if self._relays_here or self._notify is not None or self._closed:
            return
        # Outside of the transaction: NOTIFY within it would make all commits of the server wait for each other.
        loop = asyncio.get_running_loop()
        self._notify = loop.call_later(_NOTIFY_DELAY, self._send_notify, loop)

    def _send_notify(self, loop: asyncio.AbstractEventLoop) -> None:
        self._notify = None
        if not self._closed:
            loop.run_in_executor(self._workers, self._notify_now)

    def _notify_now(self) -> None:
        try:
            with self._work_engine.begin() as connection:
                connection.exec_driver_sql(f"NOTIFY {CHANNEL}")
        except DBAPIError as error:
            log.info("notify_failed", error=str(error.orig))  # the relay looks each second anyway


async def _listen(connection: psycopg.AsyncConnection, woken: Callable[[], None]) -> None:
    """Hear of commits elsewhere, and notice within a second when the connection, and so the lock, is lost."""
    while True:
        async for _ in connection.notifies(timeout=1.0):
            woken()
        await connection.execute("SELECT 1")


def _is_away(error: DBAPIError) -> bool:
    """Whether there is no server to talk to, or it is going or coming."""
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or (isinstance(error, OperationalError) and state is None):
        return True
    # connection_exception, operator_intervention (shutdown, starting up), too_many_connections
    return state is not None and (state[:2] == "08" or state[:3] == "57P" or state == "53300")
