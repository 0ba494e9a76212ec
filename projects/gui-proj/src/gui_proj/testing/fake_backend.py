"""A backend that keeps everything in memory and does what the services do, or what they do when they fail."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from gui_proj.backend import BackendError, DeviceCode, FeedState, Refused, SignedOut
from gui_proj.revocation import Guarded, Kind, Person, Report, own
from gui_proj.shipments import Change, Entry, Page, Query, Shipment, Summary, Timeline

_ERIN = Person("Erin Employee", "0195a3c0-0000-7000-8000-00000000e21a", "erin")


class FakeBackend:
    """Shipments, a session and a feed in memory. A test turns its knobs, the screens see a service.

    `session` - whether there is one. `trouble` - raised by every call while set (by `restore` only if
    `trouble_at_restore`). `approved` - set it to let the
    device flow end. `operator` - whether it is an operator's. `guards` - who checks tokens; None: the bus is away.
    `confirmed` - clear it to keep the answer of `end` waiting. `calls` - the names of the methods called, in order.
    """

    app_url = "http://127.0.0.1:8401"
    client_id = "gui-proj"

    def __init__(
        self, shipments: Iterable[Shipment], *, now: Callable[[], datetime], session: bool = True, page_size: int = 200
    ) -> None:
        self.now = now
        self.session = session
        self.page_size = page_size
        self.trouble: BackendError | None = None
        self.trouble_at_restore = True
        self.approved = asyncio.Event()
        self.code_life = timedelta(minutes=10)
        self.codes = 0
        self.operator = False
        self.guards: tuple[Guarded, ...] | None = ()
        self.confirmed = asyncio.Event()
        self.confirmed.set()
        self.ended: list[tuple[Kind, str]] = []
        self.calls: list[str] = []
        self._shipments = {shipment.id: shipment for shipment in shipments}
        self._entries: dict[str, list[Entry]] = {}
        self._feeds: set[asyncio.Queue[Change | FeedState | BackendError]] = set()
        self._sequence = 0
        self._held: list[Change] | None = None

    async def restore(self) -> bool:
        """Whether `session` is set."""
        self.calls.append("restore")
        if self.trouble is not None and self.trouble_at_restore:
            raise self.trouble
        return self.session

    async def sign_in_by_device(self, show: Callable[[DeviceCode], None]) -> None:
        """Shows a code and waits for `approved`."""
        self._call("sign_in_by_device", session=False)
        self.codes += 1
        address = "http://127.0.0.1:8400/device"
        code = "WDJB-MJHT"
        show(DeviceCode(code, address, f"{address}?user_code={code}", self.now() + self.code_life))
        try:
            await self.approved.wait()
            self._call("approved", session=False)
        finally:
            self.approved.clear()
        self.session = True

    async def sign_in_by_browser(self, show: Callable[[str], None]) -> None:
        """Shows an address and waits for `approved`."""
        self._call("sign_in_by_browser", session=False)
        show("http://127.0.0.1:8400/authorize?client_id=gui-proj")
        await self.approved.wait()
        self.approved.clear()
        self.session = True

    async def person(self) -> Person:
        """Always the same."""
        self._call("person")
        return _ERIN

    async def operates(self) -> bool:
        """Whether `operator` is set."""
        return self.operator

    async def end(self, kind: Kind, id_: str, *, wait: float) -> Report:  # noqa: ARG002 - `confirmed` is the wait
        """Told by `guards`; who ends the own session is out at once."""
        self._call("end")
        self.ended.append((kind, id_))
        if own(kind, id_, person=_ERIN, client_id=self.client_id):
            self.revoke()
        await self.confirmed.wait()
        guards = self.guards
        complete = guards is not None and all(guard.after_ms is not None for guard in guards)
        return Report(kind, id_, None if guards is None else 7, complete, guards or ())

    async def shipments(self, query: Query, *, cursor: str | None = None) -> Page:
        """Newest first, `page_size` at a time; the cursor is the row to begin with."""
        self._call("shipments")
        await asyncio.sleep(0)
        rows = [shipment for shipment in self._shipments.values() if query.matches(shipment, self.now())]
        rows.sort(key=lambda shipment: (shipment.registered_at, shipment.id), reverse=True)
        start = int(cursor or 0)
        end = start + self.page_size
        return Page(rows[start:end], len(rows), str(end) if end < len(rows) else None)

    async def summary(self) -> Summary:
        """Counted."""
        self._call("summary")
        rows = self._shipments.values()
        by_status: dict[str, int] = {}
        for shipment in rows:
            by_status[shipment.status] = by_status.get(shipment.status, 0) + 1
        return Summary(len(rows), by_status, sum(shipment.late(self.now()) for shipment in rows))

    async def timeline(self, shipment_id: str) -> Timeline:
        """The entries that `scan` and `register` made; of sample shipments, their registration."""
        self._call("timeline")
        if shipment_id not in self._shipments:
            raise Refused("There is no such shipment.")
        shipment = self._shipments[shipment_id]
        return Timeline(shipment, list(self._entries.get(shipment_id) or [_registration(shipment)]))

    async def live(self, on_state: Callable[[FeedState], None]) -> AsyncGenerator[Change]:
        """What `register` and `scan` tell from now on; `drop_feed` and `resume_feed` are a network that fails."""
        self._call("live")
        queue: asyncio.Queue[Change | FeedState | BackendError] = asyncio.Queue()
        self._feeds.add(queue)
        try:
            on_state(FeedState.LIVE)
            while True:
                item = await queue.get()
                if isinstance(item, BackendError):
                    raise item
                if isinstance(item, FeedState):
                    on_state(item)
                else:
                    yield item
        finally:
            self._feeds.discard(queue)

    async def sign_out(self) -> None:
        """Forgets the session in any case."""
        self.session = False
        self._call("sign_out", session=False)

    async def close(self) -> None:
        """Nothing to close."""

    def register(self, shipment: Shipment) -> None:
        """A new shipment appears."""
        self._tell(shipment, _registration(shipment))

    def scan(
        self, shipment: Shipment, *, biz_step: str = "departing", by: str = "dan", note: str | None = None
    ) -> None:
        """`shipment` as it becomes: its revision is raised and told."""
        kind = "delivered" if shipment.status == "delivered" else "scanned"
        place = shipment.last_place or shipment.origin
        entries = self._entries.setdefault(shipment.id, [_registration(shipment)])
        entry = Entry(f"{shipment.id}-{len(entries)}", 0, kind, place, self.now(), biz_step, self.now(), by, note)
        self._tell(msgspec.structs.replace(shipment, revision=shipment.revision + 1, updated_at=self.now()), entry)

    def stored(self, shipment_id: str) -> Shipment:
        """The shipment as the service has it."""
        return self._shipments[shipment_id]

    def newest(self, count: int) -> list[Shipment]:
        """The shipments at the top of the list."""
        return sorted(self._shipments.values(), key=lambda one: one.registered_at, reverse=True)[:count]

    def forget(self, shipment_id: str) -> None:
        """The service no longer has it."""
        del self._shipments[shipment_id]

    def drop_feed(self) -> None:
        """The connection of the feed breaks: what happens is held back until `resume_feed`."""
        self._send(FeedState.RECONNECTING)
        self._held = []

    def resume_feed(self) -> None:
        """The connection is back, and the feed goes on where it broke."""
        held, self._held = self._held or [], None
        self._send(FeedState.LIVE)
        for change in held:
            self._send(change)

    def revoke(self) -> None:
        """The session is revoked elsewhere."""
        self.session = False
        self._send(SignedOut("Your session has ended: it was revoked or it expired."))

    def _tell(self, shipment: Shipment, entry: Entry) -> None:
        self._sequence += 1
        entry = msgspec.structs.replace(entry, sequence=self._sequence)
        self._shipments[shipment.id] = shipment
        self._entries.setdefault(shipment.id, []).append(entry)
        if self._held is not None:
            self._held.append(Change(shipment, entry))
        else:
            self._send(Change(shipment, entry))

    def _send(self, item: Change | FeedState | BackendError) -> None:
        for queue in self._feeds:
            queue.put_nowait(item)

    def _call(self, name: str, *, session: bool = True) -> None:
        self.calls.append(name)
        if self.trouble is not None:
            raise self.trouble
        if session and not self.session:
            raise SignedOut("Your session has ended: it was revoked or it expired.")


def _registration(shipment: Shipment) -> Entry:
    at = shipment.registered_at
    return Entry(f"{shipment.id}-0", 0, "registered", shipment.origin, at, None, at, "clara", None)
