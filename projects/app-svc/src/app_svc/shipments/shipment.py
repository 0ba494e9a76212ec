"""The shipment, pure: what may happen to it, and which facts that makes. No I/O here.

A command (`Register`, `Scan`) is decided by a function that returns a fact; `Shipment.after(fact)` is the state that
follows. The same pair serves the API, the batch and every test.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID

import msgspec

from app_svc.errors import Conflict, FieldError
from lib_one.contracts.shipping import Place, ShipmentDelivered, ShipmentRegistered, ShipmentScanned

type BizStep = Literal["accepting", "loading", "departing", "arriving", "unloading", "storing", "receiving"]
"""What was being done, in the words of the Core Business Vocabulary 2.0. `receiving` is the delivery."""

type Status = Literal["registered", "in_transit", "delivered"]
type ShipmentFact = ShipmentRegistered | ShipmentScanned | ShipmentDelivered

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of ours a scanner's clock may be."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
_Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]


def shipment_id_of(key: str) -> str | None:
    """The canonical id if `key` is written like one, else None: then it can only be a reference."""
    return key.lower() if _UUID.fullmatch(key) else None


def clean_text(field: str, value: str, *, longest: int, lines: bool = False) -> str:
    """`value` trimmed, NFC-normalised, and safe to store, to log and to show.

    Raises:
        FieldError: empty, over `longest` characters, or with a control character or a lone surrogate in it.
    """
    trimmed = value.strip()
    if not 0 < len(trimmed) <= longest:
        raise FieldError(field, f"1 to {longest} characters are needed, not counting spaces around them")
    if not trimmed.isprintable():
        for character in trimmed:
            # Cc: NUL would be refused by PostgreSQL, ESC would reach a terminal. Cs: no UTF-8 has it.
            if unicodedata.category(character) in ("Cc", "Cs") and not (lines and character in "\n\r\t"):
                raise FieldError(field, f"the character U+{ord(character):04X} is not allowed")
    return unicodedata.normalize("NFC", trimmed)


def _moment(field: str, value: datetime | None) -> datetime | None:
    if value is None:
        return None
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        raise FieldError(field, "it must lie between the years 1900 and 2200") from None
    if not EARLIEST <= utc < LATEST:
        raise FieldError(field, "it must lie between the years 1900 and 2200")
    return utc


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place as a client names it."""

    name: str
    country: str | None = None
    latitude: _Latitude | None = None
    longitude: _Longitude | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "name", clean_text("name", self.name, longest=300))
        if self.country is not None:
            msgspec.structs.force_setattr(self, "country", clean_text("country", self.country, longest=100))
        if (self.latitude is None) != (self.longitude is None):
            missing = "latitude" if self.latitude is None else "longitude"
            raise FieldError(missing, "latitude and longitude come together")
        for field, value in (("latitude", self.latitude), ("longitude", self.longitude)):
            if value is not None and value != value:  # NaN passes every bound
                raise FieldError(field, "it must be a number")

    def place(self) -> Place:
        """The same as the contract has it."""
        return Place(name=self.name, country=self.country, latitude=self.latitude, longitude=self.longitude)


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a shipment known. The reference is the sender's own number for it, and unique."""

    reference: str
    origin: Site
    destination: Site
    promised_at: _Moment | None = None
    registered_at: _Moment | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "reference", clean_text("reference", self.reference, longest=200))
        for field in ("promised_at", "registered_at"):
            msgspec.structs.force_setattr(self, field, _moment(field, getattr(self, field)))


class Import(Register, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shipment out of another system's history: it may have arrived already."""

    delivered_at: _Moment | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        msgspec.structs.force_setattr(self, "delivered_at", _moment("delivered_at", self.delivered_at))


class Scan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody saw the shipment at a place. `scan_id` is the client's: the same one again is the same scan."""

    biz_step: BizStep
    place: Site
    scan_id: UUID | None = None
    occurred_at: _Moment | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.note is not None:
            msgspec.structs.force_setattr(self, "note", clean_text("note", self.note, longest=1000, lines=True))
        msgspec.structs.force_setattr(self, "occurred_at", _moment("occurred_at", self.occurred_at))


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment's state: the sum of its facts so far."""

    id: str
    reference: str
    status: Status
    origin: Place
    destination: Place
    last_place: Place | None
    promised_at: datetime | None
    registered_at: datetime
    delivered_at: datetime | None
    updated_at: datetime
    seen_at: datetime | None
    """When it was where `last_place` says: an older scan that arrives later does not move it back."""
    revision: int

    @classmethod
    def of(cls, fact: ShipmentRegistered, *, at: datetime) -> Self:
        """The state after the first fact."""
        return cls(
            id=fact.shipment_id,
            reference=fact.reference,
            status="registered",
            origin=fact.origin,
            destination=fact.destination,
            last_place=None,
            promised_at=fact.promised_at,
            registered_at=fact.registered_at,
            delivered_at=None,
            updated_at=at,
            seen_at=None,
            revision=fact.revision,
        )

    def after(self, fact: ShipmentScanned | ShipmentDelivered, *, at: datetime) -> "Shipment":
        """The state after one more fact, recorded `at`."""
        if isinstance(fact, ShipmentDelivered):
            return msgspec.structs.replace(
                self,
                status="delivered",
                delivered_at=fact.delivered_at,
                last_place=fact.place,
                seen_at=fact.delivered_at,
                updated_at=at,
                revision=fact.revision,
            )
        newest = self.seen_at is None or fact.occurred_at >= self.seen_at
        return msgspec.structs.replace(
            self,
            status="in_transit",
            last_place=fact.place if newest else self.last_place,
            seen_at=fact.occurred_at if newest else self.seen_at,
            updated_at=at,
            revision=fact.revision,
        )

    def late(self, now: datetime) -> bool:
        """Whether it arrived, or is still under way, after the time that was promised."""
        return self.promised_at is not None and (self.delivered_at or now) > self.promised_at


def not_ahead(field: str, value: datetime | None, *, now: datetime) -> datetime | None:
    """`value` if it has happened by now, give or take what a clock may be wrong.

    Raises:
        FieldError: it lies in the future.
    """
    if value is not None and value > now + CLOCK_SKEW:
        raise FieldError(field, "it lies in the future")
    return value


def register(command: Register, *, shipment_id: str, by: str, now: datetime) -> ShipmentRegistered:
    """Decide a registration.

    Raises:
        FieldError: `registered_at` lies in the future.
    """
    return ShipmentRegistered(
        shipment_id=shipment_id,
        revision=1,
        reference=command.reference,
        origin=command.origin.place(),
        destination=command.destination.place(),
        registered_by=by,
        registered_at=not_ahead("registered_at", command.registered_at, now=now) or now,
        promised_at=command.promised_at,
    )


def deliver(shipment: Shipment, *, delivered_at: datetime, by: str, now: datetime) -> ShipmentDelivered:
    """Decide a delivery that another system has recorded: it was at the destination.

    Raises:
        FieldError: `delivered_at` lies in the future.
    """
    not_ahead("delivered_at", delivered_at, now=now)
    return ShipmentDelivered(
        shipment_id=shipment.id,
        revision=shipment.revision + 1,
        place=shipment.destination,
        delivered_at=delivered_at,
        recorded_by=by,
    )


def scan(
    shipment: Shipment, command: Scan, *, scan_id: str, by: str, now: datetime
) -> ShipmentScanned | ShipmentDelivered:
    """Decide a scan. The step `receiving` is the delivery and makes `ShipmentDelivered` alone.

    Raises:
        Conflict: the shipment has been delivered: nothing can happen to it any more.
        FieldError: `occurred_at` lies in the future.
    """
    occurred_at = not_ahead("occurred_at", command.occurred_at, now=now) or now
    if shipment.status == "delivered":
        raise Conflict("The shipment has been delivered. Nothing more can be scanned.")
    revision, place = shipment.revision + 1, command.place.place()
    if command.biz_step == "receiving":
        return ShipmentDelivered(
            shipment_id=shipment.id,
            revision=revision,
            place=place,
            delivered_at=occurred_at,
            recorded_by=by,
            scan_id=scan_id,
            note=command.note,
        )
    return ShipmentScanned(
        shipment_id=shipment.id,
        revision=revision,
        scan_id=scan_id,
        biz_step=command.biz_step,
        place=place,
        occurred_at=occurred_at,
        scanned_by=by,
        note=command.note,
    )
