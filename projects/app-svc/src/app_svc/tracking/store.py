"""Timeline and feed at rest: one row a fact, under one sequence that grows in the order of commits."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    select,
    tuple_,
    update,
)

from app_svc.db import METADATA, Connection
from app_svc.tracking.entry import Entry, Line
from lib_one.contracts.shipping import Place
from lib_one.sql import UtcDateTime

TIMELINE_ENTRY = Table(
    "timeline_entry",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("shipment_id", String(36), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("biz_step", String(16)),
    Column("place", Text, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("note", Text),
    UniqueConstraint("shipment_id", "revision"),
    Index("ix_timeline_entry_shipment", "shipment_id", "sequence"),
)

FEED = Table(
    "feed",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
)
"""One row: the sequence that was given last. Whoever takes the next holds the row until the commit, so a greater
sequence is never visible before a smaller one, which is what lets a client resume behind the last one it saw."""

_encode = msgspec.json.Encoder().encode
_place = msgspec.json.Decoder(Place).decode
_E = TIMELINE_ENTRY.c
_POSITION = select(FEED.c.sequence).where(FEED.c.id == 1)
_TAKE = (
    update(FEED)
    .where(FEED.c.id == 1)
    .values(sequence=FEED.c.sequence + bindparam("number", type_=BigInteger))
    .returning(FEED.c.sequence)
)
_KNOWN = select(_E.shipment_id, _E.revision)
_OF_SHIPMENT = select(TIMELINE_ENTRY).where(_E.shipment_id == bindparam("shipment_id")).order_by(_E.revision)
_AFTER = (
    select(TIMELINE_ENTRY).where(_E.sequence > bindparam("sequence")).order_by(_E.sequence).limit(bindparam("limit"))
)
_AFTER_OF_SHIPMENT = _AFTER.where(_E.shipment_id == bindparam("shipment_id"))


def append(connection: Connection, lines: Sequence[Line]) -> int:
    """Add lines under the next sequences, in this order; returns how many were added.

    A fact of a shipment that is there already, under whatever event id, is left out.
    """
    wanted = {(line.shipment_id, line.revision): line for line in reversed(lines)}
    known = connection.execute(_KNOWN.where(tuple_(_E.shipment_id, _E.revision).in_(list(wanted))))
    present = {(row.shipment_id, row.revision) for row in known}
    new = [line for key, line in reversed(wanted.items()) if key not in present]
    if not new:
        return 0
    first = int(connection.execute(_TAKE, {"number": len(new)}).scalar_one()) - len(new) + 1
    rows = [
        {
            "sequence": sequence,
            "event_id": line.event_id,
            "shipment_id": line.shipment_id,
            "revision": line.revision,
            "kind": line.kind,
            "biz_step": line.biz_step,
            "place": _encode(line.place).decode(),
            "occurred_at": line.occurred_at,
            "recorded_at": line.recorded_at,
            "recorded_by": line.by,
            "note": line.note,
        }
        for sequence, line in enumerate(new, first)
    ]
    connection.execute(TIMELINE_ENTRY.insert(), rows)
    return len(new)


def position(connection: Connection) -> int:
    """The sequence that was given last; 0 when there is none."""
    return int(connection.execute(_POSITION).scalar_one())


def of_shipment(connection: Connection, shipment_id: str) -> list[Entry]:
    """A shipment's timeline, in the order of its facts, whatever order they arrived in."""
    return [_entry(row) for row in connection.execute(_OF_SHIPMENT, {"shipment_id": shipment_id})]


def after(
    connection: Connection, sequence: int, *, limit: int, shipment_id: str | None = None
) -> list[tuple[str, Entry]]:
    """At most `limit` entries behind `sequence`, each with its shipment's id; of one shipment or of all."""
    values: dict[str, Any] = {"sequence": sequence, "limit": limit}
    if shipment_id is None:
        rows = connection.execute(_AFTER, values)
    else:
        rows = connection.execute(_AFTER_OF_SHIPMENT, values | {"shipment_id": shipment_id})
    return [(row.shipment_id, _entry(row)) for row in rows]


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        event_id=row.event_id,
        sequence=row.sequence,
        kind=row.kind,
        biz_step=row.biz_step,
        place=_place(row.place),
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        by=row.recorded_by,
        note=row.note,
    )
