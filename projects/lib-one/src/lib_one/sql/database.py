"""The unit of work: a plain function of a connection, run by the database that knows how to run many at once.

`await database.work(fn)` returns what `fn(connection)` returned, after the commit. A function that raises has done
nothing. It may be run more than once, so it must have no effect but on its connection, and it must not be slow.
Units of work see each other as if they ran one after the other, on SQLite (they do) and on PostgreSQL
(`SERIALIZABLE`, with retries).
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Literal

from sqlalchemy import Connection, make_url

from lib_one.sql.errors import WorkAbortedError

type WorkFunction[T] = Callable[[Connection], T]
type Dialect = Literal["sqlite", "postgresql"]

UNIT_OPTION = "lib_one_unit"
"""The execution option under which a connection carries its `Unit`."""


class Unit:
    """What the transaction on one connection has recorded so far, for those who wait for its commit."""

    __slots__ = ("audience", "normal", "urgent")

    def __init__(self) -> None:
        self.urgent = False
        self.normal = False
        self.audience: str | None = None
        """The version of the outbox's audience that it sees; None: it has not looked."""

    def clear(self) -> None:
        """A new transaction begins."""
        self.urgent = self.normal = False
        self.audience = None


def keep_open(connection: Connection) -> None:
    """Take from a connection the means to end its transaction: the unit of work is over when its function returns."""
    connection.commit = _refuse  # type: ignore[method-assign]
    connection.rollback = _refuse  # type: ignore[method-assign]


def _refuse() -> None:
    raise WorkAbortedError("a unit of work must not end its transaction: it returns, or it raises")


class Database(ABC):
    """One database of one service. Made by `open_database`; used from one event loop."""

    dialect: Dialect

    def __init__(self) -> None:
        self.under_way = 0
        """Units of work that wait for their turn or run at this moment."""
        self._urgent_callbacks: list[Callable[[], None]] = []
        self._normal_callbacks: list[Callable[[], None]] = []

    @abstractmethod
    async def work[T](self, fn: WorkFunction[T]) -> T:
        """Run a unit of work and return its result once that is durable.

        It raises what `fn` raises; then nothing was written. `fn` may be run again, and sees the database as if no
        other unit of work ran beside it. It changes rows only: the schema is for migrations. A caller that is
        cancelled does not know whether its work was done.

        Raises:
            DatabaseUnavailableError: the database is away; try again later.
            DatabaseClosedError: `close` was called before.
            WorkAbortedError: `fn` ended the transaction, or raised something that is no `Exception`.
        """

    @abstractmethod
    async def read[T](self, fn: WorkFunction[T]) -> T:
        """Run a query of any size in a worker thread, on one read-only snapshot.

        Raises:
            DatabaseUnavailableError: the database is away; try again later.
        """

    @abstractmethod
    def lookup[T](self, fn: WorkFunction[T]) -> T:
        """Run indexed point reads at once, on the event loop's own thread: they see the newest commit.

        For some microseconds of work only. Each statement has its own snapshot.

        Raises:
            DatabaseUnavailableError: the database is away; try again later.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what is queued, then close every connection. A second call does nothing."""

    @abstractmethod
    async def glance[T](self, fn: WorkFunction[T]) -> T:
        """The cheaper of `read` and `lookup` on this engine, for a query of up to some hundred rows."""

    @abstractmethod
    async def alone(self, name: str, body: Callable[[], Awaitable[None]], *, woken: Callable[[], None]) -> None:
        """Run `body` while no other process or task runs one of this name on this database; for ever, until cancelled.

        The others wait and take over. A body that loses its lock is cancelled. `woken` is called when another
        process has committed events, on engines that can tell (PostgreSQL).
        """

    def on_commit(self, callback: Callable[[], None], *, urgent: bool | None = None) -> None:
        """Call `callback` on the event loop after every commit that recorded events: it wakes a relay.

        With `urgent` only after those that recorded revocations (true), or something else (false).
        """
        if urgent is not False:
            self._urgent_callbacks.append(callback)
        if urgent is not True:
            self._normal_callbacks.append(callback)

    def _committed(self, *, urgent: bool, normal: bool) -> None:
        """Tell whoever waits; on the event loop."""
        if urgent:
            for callback in self._urgent_callbacks:
                callback()
        if normal:
            for callback in self._normal_callbacks:
                callback()


def open_database(url: str) -> Database:
    """Open `sqlite:////path/to/file.db` or `postgresql+psycopg://user:password@host/name`.

    Its tables are there if `upgrade` ran before. A PostgreSQL that is away now is no error here.

    Raises:
        ValueError: another kind of database, or SQLite without a file.
        DatabaseUnavailableError: the SQLite file cannot be opened.
    """
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        from lib_one.sql.sqlite import SqliteDatabase  # only the engine in use takes memory

        return SqliteDatabase(parsed)
    if backend == "postgresql":
        from lib_one.sql.postgresql import PostgresDatabase  # only the engine in use takes memory

        return PostgresDatabase(parsed)
    raise ValueError(f"{backend} is not supported: use sqlite:///… or postgresql+psycopg://…")
