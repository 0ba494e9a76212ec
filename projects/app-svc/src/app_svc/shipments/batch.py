"""Many registrations in one unit of work: the way in for another system's history.

An entry that is wrong gets its own outcome; it neither blocks the others nor is half-written. The same batch again
changes nothing, so an import that was cut off is simply run again.
"""

from typing import Any, Literal

import msgspec

from app_svc.db import Connection
from app_svc.errors import FieldError, fault_of
from app_svc.shipments.shipment import Import, Shipment, ShipmentFact, deliver, register
from app_svc.shipments.store import ShipmentStore, by_references, differs
from lib_one.event import Now, new_id

type Outcome = Literal["created", "unchanged", "conflict", "invalid"]

MOST = 500
"""Entries in one batch."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body: entries as they came. Each is checked by itself."""

    shipments: list[Any]
    dry_run: bool = False

    def __post_init__(self) -> None:
        if len(self.shipments) > MOST:
            raise FieldError("shipments", f"at most {MOST} at a time")


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one entry."""

    reference: str | None
    """As it was sent, trimmed; null if there was none that could be read."""
    outcome: Outcome
    id: str | None = None
    detail: str | None = None


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One result an entry, in the order of the entries."""

    results: list[Result]


type Checked = Import | Result


def check(entry: object) -> Checked:
    """An entry as a command, or the result that says why it is none."""
    try:
        return msgspec.convert(entry, Import)
    except msgspec.ValidationError as error:
        fault = fault_of(error)
        reference = entry.get("reference") if isinstance(entry, dict) else None
        return Result(
            reference=_echo(reference) if isinstance(reference, str) else None,
            outcome="invalid",
            detail=f"{fault.field}: {fault.detail}" if fault.field else fault.detail,
        )


def _echo(reference: str) -> str:
    return reference.strip()[:200].encode("utf-8", "replace").decode()


class Importer:
    """Decides a batch against what is recorded, and writes it."""

    def __init__(self, store: ShipmentStore, *, now: Now) -> None:
        self._store = store
        self._now = now

    def run(self, connection: Connection, checked: list[Checked], *, by: str, dry_run: bool) -> list[Result]:
        """One result an entry. With `dry_run`, what would happen: nothing is written and new ones have no id."""
        references = {entry.reference for entry in checked if isinstance(entry, Import)}
        known = by_references(connection, references)
        new: dict[str, tuple[Shipment, list[ShipmentFact]]] = {}
        results = [entry if isinstance(entry, Result) else self._decide(entry, known, new, by=by) for entry in checked]
        if dry_run:
            return [
                Result(reference=result.reference, outcome=result.outcome, detail=result.detail)
                if result.id in new
                else result
                for result in results
            ]
        self._store.add_all(connection, new.values())
        return results

    def _decide(
        self,
        entry: Import,
        known: dict[str, Shipment],
        new: dict[str, tuple[Shipment, list[ShipmentFact]]],
        *,
        by: str,
    ) -> Result:
        present = known.get(entry.reference)
        if present is not None:
            difference = differs(present, entry)
            if difference is None and entry.delivered_at not in (None, present.delivered_at):
                difference = "delivery time" if present.delivered_at else None
                if difference is None:
                    return Result(
                        reference=entry.reference,
                        outcome="conflict",
                        id=present.id,
                        detail="It is recorded and not yet delivered: record its delivery as a scan.",
                    )
            if difference is None:
                return Result(reference=entry.reference, outcome="unchanged", id=present.id)
            detail = f"The reference is taken by a shipment with another {difference}."
            return Result(reference=entry.reference, outcome="conflict", id=present.id, detail=detail)
        now = self._now()
        try:
            fact = register(entry, shipment_id=new_id(), by=by, now=now)
            shipment, facts = Shipment.of(fact, at=now), list[ShipmentFact]([fact])
            if entry.delivered_at is not None:
                delivery = deliver(shipment, delivered_at=entry.delivered_at, by=by, now=now)
                shipment, facts = shipment.after(delivery, at=now), [fact, delivery]
        except FieldError as error:
            return Result(reference=entry.reference, outcome="invalid", detail=str(error))
        known[entry.reference] = shipment
        new[shipment.id] = (shipment, facts)
        return Result(reference=entry.reference, outcome="created", id=shipment.id)
