"""The aggregate by itself: whatever is scanned, in whatever order, the facts add up to the state."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app_svc.errors import Conflict, FieldError
from app_svc.shipments.shipment import BizStep, Register, Scan, Shipment, Site, clean_text, register, scan
from lib_one.contracts.shipping import ShipmentDelivered

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = Site(name="Here")
STEPS = get_args(BizStep.__value__)

scans = st.lists(
    st.builds(
        Scan,
        biz_step=st.sampled_from(STEPS),
        place=st.builds(Site, name=st.sampled_from(["Here", "There", "Nowhere"])),
        occurred_at=st.one_of(st.none(), st.integers(0, 10**6).map(lambda seconds: NOW - timedelta(seconds=seconds))),
    ),
    max_size=12,
)


def fresh() -> Shipment:
    command = Register(reference="A", origin=HERE, destination=HERE)
    return Shipment.of(register(command, shipment_id="s", by="me", now=NOW), at=NOW)


@given(scans)
def test_revisions_have_no_gaps_and_a_delivery_ends_it(commands: list[Scan]) -> None:
    shipment = fresh()
    revisions = [shipment.revision]
    for number, command in enumerate(commands):
        try:
            fact = scan(shipment, command, scan_id=str(number), by="me", now=NOW)
        except Conflict:
            assert shipment.status == "delivered"
            continue
        assert shipment.status != "delivered"
        shipment = shipment.after(fact, at=NOW)
        revisions.append(shipment.revision)
        assert isinstance(fact, ShipmentDelivered) == (command.biz_step == "receiving")
        assert (shipment.delivered_at is not None) == (shipment.status == "delivered")
    assert revisions == list(range(1, len(revisions) + 1))


@given(scans)
def test_the_last_place_is_that_of_the_latest_scan(commands: list[Scan]) -> None:
    shipment = fresh()
    newest: datetime | None = None
    for number, command in enumerate(commands):
        if command.biz_step == "receiving":
            continue
        shipment = shipment.after(scan(shipment, command, scan_id=str(number), by="me", now=NOW), at=NOW)
        at = command.occurred_at or NOW
        if newest is None or at >= newest:
            newest = at
            assert shipment.last_place == command.place.place()
    assert shipment.seen_at == newest


def test_late_is_after_the_promise_and_not_at_it() -> None:
    shipment = msgspec.structs.replace(fresh(), promised_at=NOW)
    assert not shipment.late(NOW)
    assert shipment.late(NOW + timedelta(microseconds=1))
    arrived = msgspec.structs.replace(shipment, delivered_at=NOW)
    assert not arrived.late(NOW + timedelta(days=1))


def test_a_scanner_whose_clock_is_a_little_ahead_is_tolerated() -> None:
    ahead = Scan(biz_step="loading", place=HERE, occurred_at=NOW + timedelta(minutes=4))
    assert scan(fresh(), ahead, scan_id="1", by="me", now=NOW).revision == 2
    with pytest.raises(FieldError):
        scan(
            fresh(),
            Scan(biz_step="loading", place=HERE, occurred_at=NOW + timedelta(minutes=6)),
            scan_id="1",
            by="me",
            now=NOW,
        )


@given(st.text(max_size=300))
def test_clean_text_is_storable_or_refused(text: str) -> None:
    try:
        clean = clean_text("field", text, longest=200)
    except FieldError:
        return
    assert clean.strip()
    clean.encode("utf-8")
    assert "\0" not in clean
    assert clean_text("field", clean, longest=600) == clean.strip()
