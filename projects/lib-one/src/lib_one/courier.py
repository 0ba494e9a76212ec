"""The courier: carries what waits in a table to receivers over HTTP, many at once, and tries again what did not arrive.

Something is settled only after its receiver has taken it, so a crash carries it twice rather than never. One courier of
a name works at a time, however many processes there are. A receiver that is away holds up nobody else: it has at most
`SHARE` of what is under way, and one as long as it fails.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from lib_one.observe import get_logger
from lib_one.sql import Database
from lib_one.sql.database import WorkFunction

PARALLEL: Final = 32
"""Deliveries under way at once."""
SHARE: Final = 4
"""Of them, to one receiver."""
POLL: Final = 1.0
"""Seconds after which the table is looked at even if nobody called: another process may have written."""
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)

_log = get_logger(__name__)


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many failures: five seconds, doubled each time, at most an hour."""
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << min(attempts - 1, 20)))


class Carried(Protocol):
    """What is carried."""

    @property
    def delivery_id(self) -> str:
        """Its name."""

    @property
    def receiver(self) -> str:
        """Whom it is for."""


class Courier[T: Carried, R](ABC):
    """The loop. What is carried, and how, a subclass says."""

    def __init__(self, database: Database, name: str) -> None:
        """`name` is the lock: of several couriers of one name on one database one works."""
        self._database = database
        self._name = name
        self._wake = asyncio.Event()
        self._under_way: dict[str, str] = {}
        self._failing: set[str] = set()

    @abstractmethod
    def due(self, room: int) -> WorkFunction[Sequence[T]]:
        """A query for what is due, the oldest first, up to `room`, for receivers that have room."""

    @abstractmethod
    async def attempt(self, item: T) -> R:
        """Carry it once. Whatever goes wrong is in the result; what is raised is tried again at once."""

    @abstractmethod
    def arrived(self, result: R) -> bool:
        """Whether the receiver was there."""

    @abstractmethod
    async def settle(self, item: T, result: R) -> None:
        """Write down what became of it: it must not be due any more."""

    async def run(self) -> None:
        """Carry until cancelled. Whoever is away, the database included, is waited for."""
        await self._database.alone(self._name, self._work, woken=self.wake)

    def wake(self) -> None:
        """Something is due; on the event loop."""
        self._wake.set()

    @property
    def under_way(self) -> Iterable[str]:
        """What is being carried, by its name."""
        return self._under_way

    def room_for(self, receiver: str) -> int:
        """How much more may be carried to a receiver now."""
        share = 1 if receiver in self._failing else SHARE
        return share - sum(each == receiver for each in self._under_way.values())

    async def _work(self) -> None:
        self._under_way.clear()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                try:
                    await self._begin(tasks)
                except Exception:
                    # A courier that died would be a silent loss: whatever it is, say it and try again.
                    _log.exception("deliveries failed", courier=self._name)
                    await asyncio.sleep(POLL)
                try:
                    async with asyncio.timeout(POLL):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin what is due, as far as there is room."""
        while (room := PARALLEL - len(self._under_way)) > 0:
            begun = False
            for item in await self._database.glance(self.due(room)):
                if self.room_for(item.receiver) > 0:
                    self._under_way[item.delivery_id] = item.receiver
                    tasks.create_task(self._deliver(item))
                    begun = True
            if not begun:
                return

    async def _deliver(self, item: T) -> None:
        try:
            result = await self.attempt(item)
            if self.arrived(result):
                self._failing.discard(item.receiver)
            else:
                self._failing.add(item.receiver)
            await self.settle(item, result)
        except Exception:
            # It is still in the table, and due.
            _log.exception("delivery not settled", courier=self._name, delivery_id=item.delivery_id)
            await asyncio.sleep(POLL)
        finally:
            self._under_way.pop(item.delivery_id, None)
            self._wake.set()
