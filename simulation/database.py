"""SQLite in memory behind the interface of `lib_one.sql`: each process has a door of its own, and may die in it."""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sqlalchemy import NullPool, create_engine

from app_svc.tracking.store import FEED, TIMELINE_ENTRY
from lib_one.sql import Database, DatabaseUnavailableError
from lib_one.sql.database import UNIT_OPTION, Unit, WorkFunction, keep_open
from lib_one.sql.inbox import metadata as inbox_metadata
from lib_one.sql.outbox import metadata as outbox_metadata

if TYPE_CHECKING:
    from simulation.processes import Process

_TABLES = """
-- The business state: what was committed, and must therefore be told. Revision 0 is a revocation.
CREATE TABLE happened (position INTEGER PRIMARY KEY AUTOINCREMENT, aggregate TEXT NOT NULL, revision INTEGER NOT NULL);
-- The effects of the consumer that has nothing but the inbox against copies.
CREATE TABLE ledger (event_id TEXT NOT NULL);
"""

DEATHS = ("before", "within", "after")
"""Where in a unit of work a process may die: it never ran, it was undone, or it was done and nobody learnt of it."""


class Storage:
    """One database file, so to speak. It outlives every process; one seed after the other has it."""

    def __init__(self) -> None:
        raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        engine = create_engine(
            "sqlite://",
            creator=lambda: raw,
            poolclass=NullPool,
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )
        self.raw = raw
        self.unit = Unit()
        self.connection = engine.connect().execution_options(**{UNIT_OPTION: self.unit})
        self.connection.begin()
        keep_open(self.connection)
        raw.executescript(_TABLES)
        for metadata in (inbox_metadata, outbox_metadata):
            metadata.create_all(self.connection)
        for table in (TIMELINE_ENTRY, FEED):
            table.create(self.connection)
        self.tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        self.empty()

    def empty(self) -> None:
        """Begin anew."""
        self.locks: dict[str, Door] = {}
        for table in self.tables:
            self.raw.execute(f"DELETE FROM {table}")
        self.raw.execute("INSERT INTO feed VALUES (1, 0)")

    # In a unit of work of the simulated services:

    def note(self, aggregate: str, revision: int) -> None:
        """Change the business state."""
        self.raw.execute("INSERT INTO happened (aggregate, revision) VALUES (?, ?)", [aggregate, revision])

    def noted(self, **where: object) -> int:
        """How often it was changed there."""
        ((column, value),) = where.items()
        return int(self.raw.execute(f"SELECT count(*) FROM happened WHERE {column} = ?", [value]).fetchone()[0])

    def enter(self, event_id: str) -> None:
        """Let a fact take its effect."""
        self.raw.execute("INSERT INTO ledger VALUES (?)", [event_id])

    def run[T](self, fn: WorkFunction[T], *, undo: bool = False) -> T:
        """One transaction."""
        self.unit.clear()
        self.raw.execute("BEGIN")
        try:
            value = fn(self.connection)
        except BaseException:
            self.raw.execute("ROLLBACK")
            raise
        self.raw.execute("ROLLBACK" if undo else "COMMIT")
        return value


class Door(Database):
    """The database as one process sees it: away at times, and a place to die in."""

    dialect = "sqlite"

    def __init__(self, storage: Storage, process: "Process", chance: random.Random) -> None:
        super().__init__()
        self._storage = storage
        self._process = process
        self._chance = chance
        self._life = process.life

    async def work[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.work`."""
        await self._pause(0.004)
        faults = self._process.world.faults
        if faults and self._chance.random() < faults.database:
            raise DatabaseUnavailableError("the simulation took it away")
        death = self._chance.choice(DEATHS) if faults and self._chance.random() < faults.death else None
        if death != "before":
            unit = self._storage.unit
            value = self._storage.run(fn, undo=death == "within")
            if death != "within":
                self._process.world.committed()
            if death is None:
                self._committed(urgent=unit.urgent, normal=unit.normal)
                await self._pause(0.002)
                return value
        self._process.die()
        return await self._never()

    async def read[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.read`."""
        return await self.glance(fn)

    def lookup[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.lookup`."""
        return self._storage.run(fn)

    async def glance[T](self, fn: WorkFunction[T]) -> T:
        """See `Database.glance`."""
        await self._pause(0.001)
        return self._storage.run(fn)

    async def alone(self, name: str, body: Callable[[], Awaitable[None]], *, woken: Callable[[], None]) -> None:  # noqa: ARG002 - as SQLite
        """See `Database.alone`. The death of the holder frees the lock."""
        while True:
            holder = self._storage.locks.get(name)
            if holder is None or not holder.is_living():
                break
            await asyncio.sleep(0.5)
        self._storage.locks[name] = self
        return await body()

    def is_living(self) -> bool:
        """Whether the process still lives that came through this door, and has not been started again."""
        return self._process.alive and self._process.life == self._life

    async def close(self) -> None:
        """There is nothing to close."""

    async def _pause(self, longest: float) -> None:
        await asyncio.sleep(self._chance.random() * longest)
        if not self._process.alive:
            await self._never()

    async def _never[T](self) -> T:
        """A dead process learns nothing any more."""
        never: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        return await never
