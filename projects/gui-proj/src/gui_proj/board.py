"""What the board shows: rows in order, the filter, the counts, what happened last. Pure: no network, no Textual."""

from collections import deque
from collections.abc import Callable
from datetime import datetime

from gui_proj.shipments import Change, Page, Query, Shipment, Summary

_ACTIVITY = 200
_TOLD = 2_000


class Board:
    """The rows that are loaded, kept true by pages (the API's answer) and changes (the live feed).

    An older revision never overwrites a newer one, whichever of the two brought it.
    """

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self.query = Query()
        self.summary: Summary | None = None
        self.rows: list[str] = []
        self.shipments: dict[str, Shipment] = {}
        self.total = 0
        self.next_cursor: str | None = None
        self.loaded = False
        self.activity: deque[Change] = deque(maxlen=_ACTIVITY)
        self._changed: dict[str, Shipment] = {}
        self._told: dict[str, Shipment] = {}

    def narrow(self, query: Query) -> None:
        """Begin again with another filter: no rows until the first page comes."""
        self.query = query
        self.rows, self.total, self.next_cursor, self.loaded = [], 0, None, False
        self.shipments = {}

    def show_first(self, page: Page) -> None:
        """Put the first page in place of the rows that it covers, with what the feed has told since it was made.

        Rows that were loaded beyond it stay: who is far down the list is not thrown back when it is fetched again.
        """
        beyond, cursor = self._beyond(page), self.next_cursor
        self.shipments, self.rows = {}, []
        self.show_more(page)
        self.loaded = True
        if beyond:
            self.rows += beyond
            self.shipments |= beyond
            self.next_cursor = cursor
        for shipment in self._told.values():
            self._admit(shipment)

    def show_more(self, page: Page) -> None:
        """Append the next page. A row that is there already (the list moved meanwhile) is not shown twice."""
        for shipment in page.items:
            told = self._told.get(shipment.id)
            if shipment.id not in self.shipments:
                self.rows.append(shipment.id)
            self.shipments[shipment.id] = told if told is not None and told.revision > shipment.revision else shipment
        self.total, self.next_cursor = page.total, page.next_cursor

    def apply(self, change: Change) -> None:
        """Take one change of the live feed."""
        shipment = change.shipment
        known = self.shipments.get(shipment.id) or self._told.get(shipment.id)
        if known is not None and known.revision >= shipment.revision:
            return
        self.activity.append(change)
        self._changed[shipment.id] = shipment
        self._told.pop(shipment.id, None)
        self._told[shipment.id] = shipment
        if len(self._told) > _TOLD:
            del self._told[next(iter(self._told))]
        if shipment.id in self.shipments:
            self.shipments[shipment.id] = shipment
        elif self.loaded:
            self._admit(shipment)

    def take_changed(self) -> dict[str, Shipment]:
        """Shipments that changed since the last call, by id."""
        changed, self._changed = self._changed, {}
        return changed

    def settle(self, ids: set[str]) -> bool:
        """Let go of rows among `ids` that the filter no longer wants. Says whether any went."""
        now = self.now()
        gone = {id_ for id_ in ids & self.shipments.keys() if not self.query.matches(self.shipments[id_], now)}
        for id_ in gone:
            del self.shipments[id_]
        if gone:
            self.rows = [id_ for id_ in self.rows if id_ not in gone]
            self.total = max(len(self.rows), self.total - len(gone))
        return bool(gone)

    def _beyond(self, page: Page) -> dict[str, Shipment]:
        if page.next_cursor is None or not page.items:
            return {}
        end = self._key(page.items[-1])
        shown = ((id_, self.shipments[id_]) for id_ in self.rows)
        return {id_: shipment for id_, shipment in shown if self._key(shipment) < end}

    @staticmethod
    def _key(shipment: Shipment) -> tuple[datetime, str]:
        return (shipment.registered_at, shipment.id)

    def _admit(self, shipment: Shipment) -> None:
        """Give a shipment that the list lacks its row, unless the filter or the part that is not loaded yet has it."""
        if shipment.id in self.shipments or not self.query.matches(shipment, self.now()):
            return
        end = self.shipments[self.rows[-1]] if self.next_cursor is not None and self.rows else None
        if end is None or self._key(shipment) > self._key(end):
            self._insert(shipment)
            self.total += 1

    def _insert(self, shipment: Shipment) -> None:
        key = self._key(shipment)
        low, high = 0, len(self.rows)
        while low < high:
            middle = (low + high) // 2
            if self._key(self.shipments[self.rows[middle]]) > key:
                low = middle + 1
            else:
                high = middle
        self.rows.insert(low, shipment.id)
        self.shipments[shipment.id] = shipment
