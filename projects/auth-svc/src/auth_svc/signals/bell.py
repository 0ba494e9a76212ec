"""Wakes those who wait for signals in this process. Whoever waits looks now and then by themselves, too: another
process may have recorded one.
"""

import asyncio

from lib_one.sql import Database

NET = 1.0
"""Seconds after which who was not woken looks by themselves."""


class Bell:
    """Rings after each commit that recorded signals."""

    def __init__(self, database: Database) -> None:
        self.recorded = False
        """Signals were recorded since it last rang; they need not be committed yet."""
        self._next: asyncio.Future[None] | None = None
        database.on_commit(self._committed)

    def next_ring(self) -> asyncio.Future[None]:
        """Done when it rings again. Take it before you look: what is recorded meanwhile is not missed then."""
        if self._next is None or self._next.done():
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def ring(self) -> None:
        """Wake everybody; on the event loop."""
        if self._next is not None and not self._next.done():
            self._next.set_result(None)

    def _committed(self) -> None:
        if self.recorded:
            self.recorded = False
            self.ring()
