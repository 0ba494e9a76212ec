"""A fact about a shipment as a line of its timeline. Pure."""

from datetime import datetime
from typing import Literal

import msgspec

from lib_one.contracts.shipping import Place, ShipmentDelivered, ShipmentRegistered, ShipmentScanned
from lib_one.event import Event

type Kind = Literal["registered", "scanned", "delivered"]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a fact says. It has no feed sequence yet."""

    event_id: str
    shipment_id: str
    revision: int
    """The place of the fact in the shipment's history: 1 is the registration."""
    kind: Kind
    biz_step: str | None
    place: Place
    occurred_at: datetime
    recorded_at: datetime
    by: str
    note: str | None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the timeline as clients see it. Times are UTC."""

    event_id: str
    sequence: int
    """Where it stands in the feed of all shipments: later ones are greater."""
    kind: Kind
    biz_step: str | None
    """What was being done, in the words of the Core Business Vocabulary 2.0; null for the registration."""
    place: Place
    occurred_at: datetime
    """When it happened."""
    recorded_at: datetime
    """When we learnt of it."""
    by: str
    """The subject of the token that recorded it: a person's or a client's id."""
    note: str | None


def line_of(event: Event) -> Line | None:
    """The line that `event` adds to its shipment's timeline; None for a fact that adds none."""
    fact = event.data
    step: str | None
    note: str | None
    kind: Kind
    match fact:
        case ShipmentRegistered():
            kind, place, occurred_at, by = "registered", fact.origin, fact.registered_at, fact.registered_by
            step, note = None, None
        case ShipmentScanned():
            kind, place, occurred_at, by = "scanned", fact.place, fact.occurred_at, fact.scanned_by
            step, note = fact.biz_step, fact.note
        case ShipmentDelivered():
            kind, place, occurred_at, by = "delivered", fact.place, fact.delivered_at, fact.recorded_by
            step, note = "receiving", fact.note
        case _:
            return None
    return Line(
        event_id=event.id,
        shipment_id=fact.shipment_id,
        revision=fact.revision,
        kind=kind,
        biz_step=step,
        place=place,
        occurred_at=occurred_at,
        recorded_at=event.time,
        by=by,
        note=note,
    )
