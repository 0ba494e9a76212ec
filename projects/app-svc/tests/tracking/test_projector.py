"""The timeline: each fact once, whatever the bus does. On SQLite and on PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app_svc.tracking import store
from app_svc.tracking.projector import Projector
from lib_one.bus import Delivery
from lib_one.contracts.auth import UserEnabled
from lib_one.contracts.shipping import Place, ShipmentDelivered, ShipmentRegistered, ShipmentScanned
from lib_one.event import Contract, event, new_id, utc_now
from lib_one.sql import Database, DatabaseUnavailableError, open_database, upgrade

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = Place(name="Hà Nội", country="VN", latitude=21.03, longitude=105.85)


def history(shipment_id: str, scans: int = 3) -> list[Contract]:
    """What happens to one shipment, in order."""
    facts: list[Contract] = [
        ShipmentRegistered(
            shipment_id=shipment_id,
            revision=1,
            reference=f"R-{shipment_id}",
            origin=HERE,
            destination=HERE,
            registered_by="me",
            registered_at=NOW,
        )
    ]
    for number in range(scans):
        facts.append(
            ShipmentScanned(
                shipment_id=shipment_id,
                revision=number + 2,
                scan_id=new_id(),
                biz_step="loading",
                place=HERE,
                occurred_at=NOW,
                scanned_by="dan",
                note="ü",
            )
        )
    facts.append(
        ShipmentDelivered(shipment_id=shipment_id, revision=scans + 2, place=HERE, delivered_at=NOW, recorded_by="dan")
    )
    return facts


def delivery(fact: Contract) -> Delivery:
    return Delivery(event(fact, source="/app-svc", now=utc_now), 1, 1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await asyncio.to_thread(upgrade, database_url, package="app_svc")
    opened = open_database(database_url)
    yield opened
    await opened.close()


async def timeline(database: Database, shipment_id: str) -> list[Any]:
    return await database.read(lambda connection: store.of_shipment(connection, shipment_id))


async def test_three_deliveries_of_a_fact_make_one_line(database: Database) -> None:
    written: list[None] = []
    projector = Projector(database, now=utc_now, written=lambda: written.append(None))
    for fact in history("s1"):
        same = delivery(fact)
        for _ in range(3):
            await projector.handle(same)
    entries = await timeline(database, "s1")
    assert [entry.kind for entry in entries] == ["registered", "scanned", "scanned", "scanned", "delivered"]
    assert [entry.sequence for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.biz_step for entry in entries] == [None, "loading", "loading", "loading", "receiving"]
    assert (entries[1].place, entries[1].by, entries[1].note) == (HERE, "dan", "ü")
    assert (entries[1].occurred_at, entries[1].occurred_at.tzinfo) == (NOW, UTC)
    assert len(written) == 5


async def test_a_revision_under_another_event_id_is_a_copy_as_well(database: Database) -> None:
    """A bus that was wiped and filled again may have given a fact a new envelope."""
    projector = Projector(database, now=utc_now, written=lambda: None)
    for fact in history("s1") + history("s1"):
        await projector.handle(delivery(fact))
    assert [entry.sequence for entry in await timeline(database, "s1")] == [1, 2, 3, 4, 5]


async def test_facts_out_of_order_come_out_in_order(database: Database) -> None:
    projector = Projector(database, now=utc_now, written=lambda: None)
    facts = [delivery(fact) for shipment in ("s1", "s2") for fact in history(shipment)] * 2
    random.Random(7).shuffle(facts)
    for one in facts:
        await projector.handle(one)
    for shipment in ("s1", "s2"):
        entries = await timeline(database, shipment)
        assert [entry.kind for entry in entries] == ["registered", "scanned", "scanned", "scanned", "delivered"]
    everything = await database.read(lambda connection: store.after(connection, 0, limit=100))
    assert [entry.sequence for _, entry in everything] == list(range(1, 11))


async def test_two_projectors_share_the_work_without_a_gap(database: Database) -> None:
    projectors = [Projector(database, now=utc_now, written=lambda: None) for _ in range(2)]
    facts = [delivery(fact) for number in range(4) for fact in history(f"s{number}")]
    await asyncio.gather(*(projector.handle(one) for one in facts for projector in projectors))
    everything = await database.read(lambda connection: store.after(connection, 0, limit=100))
    assert [entry.sequence for _, entry in everything] == list(range(1, 21))
    assert len({entry.event_id for _, entry in everything}) == 20
    assert database.lookup(store.position) == 20


async def test_facts_that_come_together_share_their_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = 0
    work = database.work

    async def counted(fn: Any) -> Any:
        nonlocal works
        works += 1
        return await work(fn)

    monkeypatch.setattr(database, "work", counted)
    projector = Projector(database, now=utc_now, written=lambda: None)
    facts = [delivery(fact) for number in range(20) for fact in history(f"s{number}")]
    await asyncio.gather(*(projector.handle(one) for one in facts * 2))
    assert works <= 3
    everything = await database.read(lambda connection: store.after(connection, 0, limit=200))
    assert [entry.event_id for _, entry in everything] == [one.event.id for one in facts]


async def test_a_line_that_cannot_be_written_fails_alone(database: Database) -> None:
    projector = Projector(database, now=utc_now, written=lambda: None)
    good, bad = history("s1"), history("s2")
    bad[1] = msgspec.structs.replace(bad[1], revision=2**70)  # no database takes it
    facts = [delivery(fact) for fact in good + bad]
    results = await asyncio.gather(*(projector.handle(one) for one in facts), return_exceptions=True)
    assert [number for number, result in enumerate(results) if result is not None] == [6]
    assert len(await timeline(database, "s1")) == 5
    assert len(await timeline(database, "s2")) == 4


async def test_a_database_that_is_away_makes_facts_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    projector = Projector(database, now=utc_now, written=lambda: None)
    work, failures = database.work, [DatabaseUnavailableError("the test took it away")]

    async def away(fn: Any) -> Any:
        if failures:
            raise failures.pop()
        return await work(fn)

    monkeypatch.setattr(database, "work", away)
    await asyncio.gather(*(projector.handle(delivery(fact)) for fact in history("s1")))
    assert len(await timeline(database, "s1")) == 5


async def test_a_handler_that_is_cancelled_leaves_the_others_to_be_written(database: Database) -> None:
    projector = Projector(database, now=utc_now, written=lambda: None)
    tasks = [asyncio.create_task(projector.handle(delivery(fact))) for fact in history("s1")]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results[1:]] == [type(None)] * 4
    assert len(await timeline(database, "s1")) >= 4


async def test_other_facts_add_no_line(database: Database) -> None:
    projector = Projector(database, now=utc_now, written=lambda: None)
    await projector.handle(delivery(UserEnabled(user_id="u")))
    assert database.lookup(store.position) == 0


async def test_the_feed_can_be_read_for_one_shipment(database: Database) -> None:
    projector = Projector(database, now=utc_now, written=lambda: None)
    for first, second in zip(history("s1"), history("s2"), strict=True):
        await projector.handle(delivery(first))
        await projector.handle(delivery(second))
    found = await database.read(lambda connection: store.after(connection, 2, limit=2, shipment_id="s2"))
    assert [(shipment, entry.sequence) for shipment, entry in found] == [("s2", 4), ("s2", 6)]
