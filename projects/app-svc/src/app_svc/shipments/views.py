"""What other slices may ask about shipments: how one looks, given its id or reference."""

from collections.abc import Collection, Mapping

from app_svc.db import Connection
from app_svc.shipments import store
from app_svc.shipments.view import ShipmentView
from lib_one.event import Now


class ShipmentViews:
    """Shipments as clients see them, read on the caller's connection."""

    def __init__(self, *, now: Now) -> None:
        self._now = now

    def one(self, connection: Connection, key: str) -> ShipmentView:
        """The shipment with this id or reference.

        Raises:
            NotFound: there is none.
        """
        return ShipmentView.of(store.find(connection, key), now=self._now())

    def many(self, connection: Connection, ids: Collection[str]) -> Mapping[str, ShipmentView]:
        """Those of these shipments that exist, by id."""
        now = self._now()
        return {id_: ShipmentView.of(shipment, now=now) for id_, shipment in store.by_ids(connection, ids).items()}
