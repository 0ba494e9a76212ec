"""Facts of app-svc: what happened to a shipment. The words are those of EPCIS 2.0 and its Core Business Vocabulary."""

from datetime import datetime

import msgspec

from lib_one.event import Contract, contract, subject_token


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was, as far as it is known."""

    name: str
    country: str | None = None
    """A name or an ISO 3166 code, as the source wrote it."""
    latitude: float | None = None
    longitude: float | None = None


class ShippingFact(Contract, frozen=True, kw_only=True):
    """Common ground: each fact is about one shipment and has its place in that shipment's history."""

    shipment_id: str
    revision: int
    """1 for the registration, then one more for each fact of this shipment."""

    def aggregate(self) -> str:
        return self.shipment_id

    def _subject(self, event: str) -> str:
        return f"shipments.{subject_token(self.shipment_id)}.{event}"


@contract("shipment.registered.v1")
class ShipmentRegistered(ShippingFact, frozen=True, kw_only=True):
    """A shipment is known and may be scanned."""

    reference: str
    origin: Place
    destination: Place
    registered_by: str
    registered_at: datetime
    promised_at: datetime | None = None

    def subject(self) -> str:
        return self._subject("registered")


@contract("shipment.scanned.v1")
class ShipmentScanned(ShippingFact, frozen=True, kw_only=True):
    """Somebody saw the shipment at a place, and what was being done there."""

    scan_id: str
    biz_step: str
    """A business step of CBV 2.0: `accepting`, `loading`, `departing`, `arriving`, `unloading`, `storing`."""
    place: Place
    occurred_at: datetime
    scanned_by: str
    note: str | None = None

    def subject(self) -> str:
        return self._subject("scanned")


@contract("shipment.delivered.v1")
class ShipmentDelivered(ShippingFact, frozen=True, kw_only=True):
    """The shipment is with its consignee (the business step `receiving`)."""

    place: Place
    delivered_at: datetime
    recorded_by: str
    scan_id: str | None = None
    note: str | None = None

    def subject(self) -> str:
        return self._subject("delivered")
