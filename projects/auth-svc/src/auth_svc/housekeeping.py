"""What must be done now and then: see what another process changed, and forget what can no longer matter."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Protocol

from auth_svc.db import Connection, Ledger
from lib_one.observe import get_logger

RELOAD_EVERY = 2.0
"""Seconds after which a key or a resource that another process changed is seen."""
SWEEP_EVERY = 300.0
"""Seconds between two rounds of forgetting."""

_log = get_logger(__name__)


class Sweeper(Protocol):
    """Deletes what has expired from one slice's tables."""

    def __call__(self, connection: Connection, *, now: datetime) -> object:
        """Sweep."""
        ...


class Reloaded(Protocol):
    """Kept in memory, and looked up again now and then."""

    async def reload(self) -> bool:
        """Look again; True if something changed."""
        ...


class Housekeeping:
    """Reloads what is kept in memory and sweeps tables, until cancelled."""

    def __init__(self, ledger: Ledger, kept: Iterable[Reloaded], sweepers: Iterable[Sweeper]) -> None:
        self._ledger = ledger
        self._kept = tuple(kept)
        self._sweepers = tuple(sweepers)

    async def run(self) -> None:
        """Work for ever; a failure is logged and tried again."""
        rounds = 0
        while True:
            try:
                for kept in self._kept:
                    await kept.reload()
                if rounds % int(SWEEP_EVERY / RELOAD_EVERY) == 0:
                    await self.sweep()
            except Exception:
                _log.exception("housekeeping failed")
            rounds += 1
            await asyncio.sleep(RELOAD_EVERY)

    async def sweep(self) -> None:
        """Forget what has expired, each table in a unit of work of its own."""
        now = self._ledger.now()
        for sweeper in self._sweepers:
            await self._ledger.database.work(partial(sweeper, now=now))
