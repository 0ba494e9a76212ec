"""Shipments and scans at rest, and the verbs that change them. Runs inside a unit of work on a plain connection.

Every verb writes the state and records the fact in the outbox on the same connection: both are committed, or neither.
"""

import unicodedata
from collections.abc import Collection, Mapping
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    select,
    update,
)

from app_svc.db import METADATA, Connection, folded
from app_svc.errors import Conflict, NotFound
from app_svc.shipments.shipment import (
    Register,
    Scan,
    Shipment,
    ShipmentFact,
    register,
    scan,
    shipment_id_of,
)
from lib_one.contracts.shipping import Place, ShipmentDelivered
from lib_one.event import Now, new_id
from lib_one.sql import Outbox, UtcDateTime

SHIPMENT = Table(
    "shipment",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("reference", String(200), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("last_place", Text),
    Column("promised_at", UtcDateTime),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime),
    Column("country", Text),  # the destination's, as it was written
    Column("country_folded", Text),
    Column("search", Text, nullable=False),  # folded reference, names and countries of both ends
    Index("ix_shipment_newest", "registered_at", "id"),
    Index("ix_shipment_status", "status", "registered_at", "id"),
    Index("ix_shipment_country", "country_folded", "registered_at", "id", "country"),
    Index("ix_shipment_promise", "promised_at", "delivered_at"),
)

SCAN = Table(
    "scan",
    METADATA,
    Column("scan_id", String(36), primary_key=True),
    Column("shipment_id", String(36), ForeignKey("shipment.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("biz_step", String(16), nullable=False),
    Column("place", Text, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("note", Text),
    UniqueConstraint("shipment_id", "revision"),
)

_encode = msgspec.json.Encoder().encode
_place = msgspec.json.Decoder(Place).decode
STATE = [column for column in SHIPMENT.c if column.name not in ("country", "country_folded", "search")]
_BY_ID = select(*STATE).where(SHIPMENT.c.id == bindparam("id"))
_BY_REFERENCE = select(*STATE).where(SHIPMENT.c.reference == bindparam("reference"))
_SCAN_BY_ID = select(SCAN).where(SCAN.c.scan_id == bindparam("scan_id"))
_CHANGE = (
    update(SHIPMENT)
    .where(SHIPMENT.c.id == bindparam("key"))
    .values(
        {
            name: bindparam(name)
            for name in ("status", "revision", "last_place", "delivered_at", "updated_at", "seen_at")
        }
    )
)


def shipment_of(row: Row[Any]) -> Shipment:
    """The state that a row of `STATE` columns holds."""
    return Shipment(
        id=row.id,
        reference=row.reference,
        status=row.status,
        origin=_place(row.origin),
        destination=_place(row.destination),
        last_place=None if row.last_place is None else _place(row.last_place),
        promised_at=row.promised_at,
        registered_at=row.registered_at,
        delivered_at=row.delivered_at,
        updated_at=row.updated_at,
        seen_at=row.seen_at,
        revision=row.revision,
    )


def _changing(shipment: Shipment) -> dict[str, Any]:
    return {
        "status": shipment.status,
        "revision": shipment.revision,
        "last_place": None if shipment.last_place is None else _encode(shipment.last_place).decode(),
        "delivered_at": shipment.delivered_at,
        "updated_at": shipment.updated_at,
        "seen_at": shipment.seen_at,
    }


def _row(shipment: Shipment) -> dict[str, Any]:
    country = shipment.destination.country
    texts = (
        shipment.reference,
        shipment.origin.name,
        shipment.origin.country,
        shipment.destination.name,
        shipment.destination.country,
    )
    return {
        "id": shipment.id,
        "reference": shipment.reference,
        "origin": _encode(shipment.origin).decode(),
        "destination": _encode(shipment.destination).decode(),
        "promised_at": shipment.promised_at,
        "registered_at": shipment.registered_at,
        "country": country,
        "country_folded": None if country is None else folded(country),
        "search": folded("\n".join(text for text in texts if text is not None)),
        **_changing(shipment),
    }


def by_id(connection: Connection, shipment_id: str) -> Shipment | None:
    """The shipment with this id."""
    row = connection.execute(_BY_ID, {"id": shipment_id}).first()
    return None if row is None else shipment_of(row)


def by_reference(connection: Connection, reference: str) -> Shipment | None:
    """The shipment with this reference."""
    row = connection.execute(_BY_REFERENCE, {"reference": reference}).first()
    return None if row is None else shipment_of(row)


def find(connection: Connection, key: str) -> Shipment:
    """The shipment that a path names: by id if it is written like one, else by reference.

    Raises:
        NotFound: there is none.
    """
    shipment_id = shipment_id_of(key)
    if shipment_id is not None:
        shipment = by_id(connection, shipment_id)
    else:
        # A text that no reference can be is not worth asking the database, which may even refuse it (NUL).
        reference = unicodedata.normalize("NFC", key.strip())
        possible = 0 < len(reference) <= 200 and reference.isprintable()
        shipment = by_reference(connection, reference) if possible else None
    if shipment is None:
        raise NotFound("There is no shipment with this id or reference.")
    return shipment


def by_ids(connection: Connection, ids: Collection[str]) -> Mapping[str, Shipment]:
    """Those of these shipments that exist, by id."""
    rows = connection.execute(select(*STATE).where(SHIPMENT.c.id.in_(ids)))
    return {row.id: shipment_of(row) for row in rows}


def by_references(connection: Connection, references: Collection[str]) -> dict[str, Shipment]:
    """Those of these shipments that exist, by reference."""
    rows = connection.execute(select(*STATE).where(SHIPMENT.c.reference.in_(references)))
    return {row.reference: shipment_of(row) for row in rows}


class ShipmentStore:
    """The verbs: each is one decision, its state and its fact."""

    def __init__(self, outbox: Outbox, *, now: Now) -> None:
        self._outbox = outbox
        self._now = now

    def register(self, connection: Connection, command: Register, *, by: str) -> tuple[Shipment, bool]:
        """Make a shipment known. Returns it, and whether it is new: the same command again changes nothing.

        Raises:
            Conflict: the reference belongs to a shipment with other content.
            FieldError: a rule that needs the clock is broken.
        """
        present = by_reference(connection, command.reference)
        if present is not None:
            difference = differs(present, command)
            if difference is not None:
                raise Conflict(f"The reference is taken by a shipment with another {difference}.")
            return present, False
        now = self._now()
        fact = register(command, shipment_id=new_id(), by=by, now=now)
        shipment = Shipment.of(fact, at=now)
        self.add_all(connection, [(shipment, [fact])])
        return shipment, True

    def scan(self, connection: Connection, key: str, command: Scan, *, by: str) -> tuple[Shipment, str, bool]:
        """Record a scan. Returns the shipment, the scan's id, and whether it is new.

        Raises:
            NotFound: there is no such shipment.
            Conflict: it has been delivered, or the scan id belongs to another scan.
            FieldError: a rule that needs the clock is broken.
        """
        shipment = find(connection, key)
        scan_id = str(command.scan_id or uuid4())
        if command.scan_id is not None:
            row = connection.execute(_SCAN_BY_ID, {"scan_id": scan_id}).first()
            if row is not None:
                _same_scan(row, shipment, command)
                return shipment, scan_id, False
        now = self._now()
        fact = scan(shipment, command, scan_id=scan_id, by=by, now=now)
        occurred_at = fact.delivered_at if isinstance(fact, ShipmentDelivered) else fact.occurred_at
        # The shipment first: on PostgreSQL its row makes scans at the same moment take turns.
        shipment = shipment.after(fact, at=now)
        connection.execute(_CHANGE, {"key": shipment.id, **_changing(shipment)})
        connection.execute(
            SCAN.insert(),
            {
                "scan_id": scan_id,
                "shipment_id": shipment.id,
                "revision": fact.revision,
                "biz_step": command.biz_step,
                "place": _encode(fact.place).decode(),
                "occurred_at": occurred_at,
                "note": command.note,
            },
        )
        self._outbox.record(connection, fact)
        return shipment, scan_id, True

    def add_all(self, connection: Connection, new: Collection[tuple[Shipment, list[ShipmentFact]]]) -> None:
        """Write new shipments, each with its facts so far."""
        if new:
            connection.execute(SHIPMENT.insert(), [_row(shipment) for shipment, _ in new])
            self._outbox.record(connection, *(fact for _, facts in new for fact in facts))


def differs(shipment: Shipment, command: Register) -> str | None:
    """The first thing in which `command` contradicts what is recorded, in words; None when it says the same."""
    if shipment.origin != command.origin.place():
        return "origin"
    if shipment.destination != command.destination.place():
        return "destination"
    if shipment.promised_at != command.promised_at:
        return "promised time"
    if command.registered_at is not None and shipment.registered_at != command.registered_at:
        return "registration time"
    return None


def _same_scan(row: Row[Any], shipment: Shipment, command: Scan) -> None:
    same = (
        row.shipment_id == shipment.id
        and row.biz_step == command.biz_step
        and _place(row.place) == command.place.place()
        and row.note == command.note
        and (command.occurred_at is None or row.occurred_at == command.occurred_at)
    )
    if not same:
        raise Conflict("The scan_id belongs to another scan.")
