"""A shipment as clients see it."""

from datetime import datetime

import msgspec

from app_svc.shipments.listing import Cursor
from app_svc.shipments.shipment import Shipment, Status
from lib_one.contracts.shipping import Place


class ShipmentView(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one shipment. Times are UTC."""

    id: str
    reference: str
    status: Status
    late: bool
    """It arrived, or is still under way, after the time that was promised."""
    origin: Place
    destination: Place
    last_place: Place | None
    promised_at: datetime | None
    registered_at: datetime
    delivered_at: datetime | None
    updated_at: datetime
    revision: int
    """How many facts there are about it."""

    @classmethod
    def of(cls, shipment: Shipment, *, now: datetime) -> "ShipmentView":
        """What `shipment` looks like `now`."""
        return cls(
            id=shipment.id,
            reference=shipment.reference,
            status=shipment.status,
            late=shipment.late(now),
            origin=shipment.origin,
            destination=shipment.destination,
            last_place=shipment.last_place,
            promised_at=shipment.promised_at,
            registered_at=shipment.registered_at,
            delivered_at=shipment.delivered_at,
            updated_at=shipment.updated_at,
            revision=shipment.revision,
        )


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list."""

    items: list[ShipmentView]
    total: int
    """How many match, on all pages."""
    next_cursor: str | None

    @classmethod
    def of(cls, shipments: list[Shipment], total: int, *, more: bool, now: datetime) -> "Page":
        """The page that these shipments fill."""
        cursor = Cursor(shipments[-1].registered_at, shipments[-1].id).encode() if more else None
        return cls(items=[ShipmentView.of(one, now=now) for one in shipments], total=total, next_cursor=cursor)


class ScanView(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a scan."""

    scan_id: str
    shipment: ShipmentView
