"""SQLite: one writer thread that commits what many wait for at once (WAL, `synchronous=FULL`)."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from lib_one.sql.database import UNIT_OPTION, Database, Unit, WorkFunction, keep_open
from lib_one.sql.errors import DatabaseClosedError, DatabaseError, DatabaseUnavailableError
from lib_one.sql.group_commit import GroupCommit, Link

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that writes the same file."""
LOCK_POLL = 0.5
"""Seconds between two tries of a relay that waits to take over."""
READERS = 4
"""Threads for `read`, each with a connection of its own; they start when needed."""


def database_file(url: URL) -> Path:
    """The file behind a SQLite URL.

    Raises:
        ValueError: there is none; a database in memory cannot be shared by the writer and its readers.
    """
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("a SQLite database needs a file: sqlite:////absolute/path.db")
    return Path(url.database).absolute()


def _prepare(file: Path) -> None:
    """Make the file so that only its owner can read it; SQLite gives its companions the same mode."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)


@contextmanager
def migrating(url: URL) -> Iterator[Connection]:
    """A connection in the one transaction of a migration. Others wait; an error undoes it."""
    file = database_file(url)
    _prepare(file)
    engine = _engine(file, read_only=False)
    try:
        with FileLock(f"{file}.migration.lock", mode=0o600), engine.connect() as connection:
            raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
            # A table is rebuilt by copying it, so references are checked at the end instead.
            raw.execute("PRAGMA foreign_keys=OFF")
            raw.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                broken = raw.execute("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise DatabaseError(f"the migration breaks references: {broken[:5]}")
                raw.execute("COMMIT")
            finally:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
    except (OperationalError, sqlite3.OperationalError) as error:
        raise DatabaseUnavailableError(f"{file}: {error}") from error
    finally:
        engine.dispose()


def _engine(file: Path, *, read_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver begins nothing by itself, so BEGIN and COMMIT are where we say.
        raw = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT)
        try:
            raw.execute("PRAGMA journal_mode=WAL").close()
            raw.execute("PRAGMA synchronous=FULL").close()
            raw.execute("PRAGMA foreign_keys=ON").close()
            raw.execute("PRAGMA journal_size_limit=67108864").close()
            if read_only:
                raw.execute("PRAGMA query_only=ON").close()
        except BaseException:
            raw.close()
            raise
        return raw

    return create_engine(
        "sqlite://",
        creator=connect,
        poolclass=NullPool,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,  # they may be secrets, and errors are logged
    )


def _link(engine: Engine) -> Link:
    unit = Unit()
    connection = engine.connect().execution_options(**{UNIT_OPTION: unit})
    connection.begin()  # for SQLAlchemy alone: the driver hears of no transaction but ours
    keep_open(connection)
    return Link(connection, cast("sqlite3.Connection", connection.connection.dbapi_connection), unit)


class SqliteDatabase(Database):
    """See `lib_one.sql.database.Database`."""

    dialect = "sqlite"

    def __init__(self, url: URL) -> None:
        super().__init__()
        self.file = database_file(url)
        _prepare(self.file)
        self._write_engine = _engine(self.file, read_only=False)
        self._read_engine = _engine(self.file, read_only=True)
        try:
            self._lookup = _link(self._read_engine)
            self._writer = GroupCommit(partial(_link, self._write_engine), self._tell)
        except (DBAPIError, sqlite3.Error) as error:
            raise DatabaseUnavailableError(f"{self.file} cannot be opened: {error}") from error
        self._closed = False
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-read")
        self._reader_links: list[Link] = []
        self._reader_local = threading.local()

    @property
    def commits(self) -> int:
        """How many transactions `work` has committed; fewer than its calls when many wait."""
        return self._writer.commits

    async def work[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.work`."""
        if self._closed:
            raise DatabaseClosedError(str(self.file))
        self.under_way += 1
        try:
            return cast("T", await self._writer.submit(fn))
        finally:
            self.under_way -= 1

    async def read[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.read`."""
        if self._closed:
            raise DatabaseClosedError(str(self.file))
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, fn)

    def lookup[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.lookup`."""
        if self._closed:
            raise DatabaseClosedError(str(self.file))
        return fn(self._lookup.connection)

    async def glance[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.glance`: a thread hand-over would cost more than the query."""
        return self.lookup(fn)

    async def alone(
        self,
        name: str,
        body: Callable[[], Awaitable[None]],
        *,
        woken: Callable[[], None],  # noqa: ARG002 - SQLite cannot tell
    ) -> None:
        """See `Database.alone`. The lock is a file beside the database; its holder's death frees it."""
        lock = FileLock(f"{self.file}.{name}.lock", mode=0o600, thread_local=False)
        while True:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                await asyncio.sleep(LOCK_POLL)
                continue
            try:
                return await body()
            finally:
                lock.release()

    async def close(self) -> None:
        """See `Database.close`."""
        if self._closed:
            return
        self._closed = True
        self._writer.hand_over()
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.shutdown)
        for link in (self._lookup, *self._reader_links):
            link.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _tell(self, urgent: bool, normal: bool) -> None:
        self._committed(urgent=urgent, normal=normal)

    def _read[T](self, fn: WorkFunction[T]) -> T:
        link: Link | None = getattr(self._reader_local, "link", None)
        if link is None:
            link = self._reader_local.link = _link(self._read_engine)
            self._reader_links.append(link)
        link.raw.execute("BEGIN")
        try:
            return fn(link.connection)
        finally:
            link.raw.execute("ROLLBACK")
