"""What must be done now and then: see what another process changed, and forget what can no longer matter."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Protocol

from auth_svc.db import Connection, Ledger
from lib_one.observe import get_logger
from lib_one.sql import sweep_all

RELOAD_EVERY = 2.0
"""Seconds after which a key or a resource that another process changed is seen."""
SWEEP_EVERY = 300.0
"""Seconds between two rounds of forgetting."""

_log = get_logger(__name__)


class Sweeper(Protocol):
    """Deletes what has expired from one slice's tables."""

    def __call__(self, connection: Connection, *, now: datetime, limit: int) -> int:
        """Delete up to `limit` rows; return how many: fewer, if nothing is left."""
        ...


class Chore(Protocol):
    """Something else that a slice does now and then."""

    def __call__(self, connection: Connection, *, now: datetime) -> None:
        """Do it."""
        ...


class Reloaded(Protocol):
    """Kept in memory, and looked up again now and then."""

    async def reload(self) -> bool:
        """Look again; True if something changed."""
        ...


class Housekeeping:
    """Reloads what is kept in memory and sweeps tables, until cancelled."""

    def __init__(
        self, ledger: Ledger, kept: Iterable[Reloaded], sweepers: Iterable[Sweeper], chores: Iterable[Chore]
    ) -> None:
        self._ledger = ledger
        self._kept = tuple(kept)
        self._sweepers = tuple(sweepers)
        self._chores = tuple(chores)

    async def run(self) -> None:
        """Work for ever; a failure is logged and tried again. A great purge keeps nobody from reloading."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._for_ever(self._reload, RELOAD_EVERY))
            tasks.create_task(self._for_ever(self.sweep, SWEEP_EVERY))

    async def sweep(self) -> None:
        """Forget what has expired, in units of work of a bounded number of rows, and do the chores."""
        now = self._ledger.now()
        for sweeper in self._sweepers:
            await sweep_all(self._ledger.database, partial(sweeper, now=now))
        for chore in self._chores:
            await self._ledger.database.work(partial(chore, now=now))

    async def _reload(self) -> None:
        for kept in self._kept:
            await kept.reload()

    async def _for_ever(self, job: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            try:
                await job()
            except Exception:
                _log.exception("housekeeping failed")
            await asyncio.sleep(every)
