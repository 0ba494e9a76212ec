"""The live feed inside the process: one reader of the table, any number of open streams.

New entries are read once, rendered once, and kept in a ring; each stream has nothing but its own position in it. A slow
client therefore costs no memory: when it falls behind the ring, it reads pages from the table as one that resumes does.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from app_svc.db import Connection
from app_svc.tracking import store
from app_svc.tracking.entry import Entry
from lib_one.observe import get_logger
from lib_one.sql import Database, DatabaseUnavailableError

log = get_logger(__name__)

RING = 2000
"""Frames that are kept ready, at least."""
PAGE = 500
"""Entries read from the table at once."""
POLL = 0.5
"""Seconds between two looks at the table when nobody wakes us: the worker may be another process."""

_DATA = b"\ndata: "
_encode = msgspec.json.Encoder().encode
_sequence = attrgetter("sequence")


class Shipments(Protocol):
    """How shipments look: what tracking needs to know of them."""

    def one(self, connection: Connection, key: str) -> Any:
        """The shipment with this id or reference, with its `id`; raises NotFound."""
        ...

    def many(self, connection: Connection, ids: Collection[str]) -> Mapping[str, Any]:
        """Those of these shipments that exist, by id."""
        ...


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry, rendered for the wire."""

    sequence: int
    shipment_id: str
    kind: str
    text: bytes
    """As a server-sent event; empty if there is nothing to show."""

    @property
    def data(self) -> bytes:
        """The JSON data of the event alone."""
        return self.text[self.text.index(_DATA) + len(_DATA) : -2]


def render(connection: Connection, entries: list[tuple[str, Entry]], shipments: Shipments) -> list[Frame]:
    """Entries as server-sent events. The shipment is as it is now, so it never goes backwards for who resumes."""
    views = shipments.many(connection, {shipment_id for shipment_id, _ in entries})
    frames = []
    for shipment_id, entry in entries:
        view = views.get(shipment_id)
        if view is None:  # the bus has kept the facts of a database that was thrown away: there is nothing to show
            text = b""
        else:
            data = _encode({"shipment": view, "entry": entry})
            text = b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.sequence, entry.kind.encode(), data)
        frames.append(Frame(entry.sequence, shipment_id, entry.kind, text))
    return frames


class LiveFeed:
    """Tells every open stream of new entries."""

    def __init__(self, database: Database, shipments: Shipments) -> None:
        self._database = database
        self._shipments = shipments
        self._ring: list[Frame] = []
        self._floor = 0  # the ring holds everything behind this sequence, up to `position`
        self._started = False
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self.position = 0
        """The sequence up to which entries have been read."""
        self.stopping = False
        """Streams must end now."""
        self.open = 0
        """Streams that are open."""

    def wake(self) -> None:
        """There are new entries: look now."""
        self._wake.set()

    def stop(self) -> None:
        """End every open stream at once."""
        self.stopping = True
        self._announce()

    async def run(self) -> None:
        """Follow the table until cancelled."""
        while True:
            try:
                await self._catch_up()
            except DatabaseUnavailableError as error:
                log.warning("the live feed cannot read", reason=str(error))
            try:
                async with asyncio.timeout(POLL):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _catch_up(self) -> None:
        if not self._started:
            self.position = self._floor = self._database.lookup(store.position)
            self._started = True
        while self._database.lookup(store.position) > self.position:
            frames = await self._database.read(lambda connection: self._read(connection, self.position, None))
            if not frames:
                return
            self._ring.extend(frames)
            self.position = frames[-1].sequence
            if len(self._ring) > 2 * RING:
                self._floor = self._ring[-RING - 1].sequence
                del self._ring[:-RING]
            self._announce()

    def _read(self, connection: Connection, sequence: int, shipment_id: str | None) -> list[Frame]:
        entries = store.after(connection, sequence, limit=PAGE, shipment_id=shipment_id)
        return render(connection, entries, self._shipments)

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def start(self, last_event_id: int | None) -> int:
        """Where a stream begins: behind what its client saw last, else with what comes next.

        A sequence that we have not reached is from a database that is no more: then, too, what comes next.
        """
        now = max(self.position, self._database.lookup(store.position))
        return now if last_event_id is None else min(last_event_id, now)

    async def after(self, sequence: int, shipment_id: str | None) -> tuple[list[Frame], int]:
        """The frames behind `sequence` that are there now, at most a page, and the position that they lead to."""
        if sequence >= self.position:
            return [], sequence
        floor = self._floor
        if sequence < floor:
            frames = await self._database.read(lambda connection: self._read(connection, sequence, shipment_id))
            last = frames[-1].sequence if frames else floor
            # A short page was the last one, so nothing of this shipment lies between it and where the ring began.
            return frames, last if len(frames) == PAGE else max(last, floor)
        start = bisect_right(self._ring, sequence, key=_sequence)
        frames = self._ring[start : start + PAGE]
        return [frame for frame in frames if shipment_id in (None, frame.shipment_id)], frames[-1].sequence

    def closed(self) -> None:
        """A stream has ended."""
        self.open -= 1

    async def news(self, sequence: int, *, timeout: float) -> None:
        """Wait until there are entries behind `sequence`, or streams must end; `timeout` seconds at most."""
        if self.stopping or self.position > sequence:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            pass
