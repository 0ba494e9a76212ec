"""The store on SQLite and on PostgreSQL: the same verbs, the same answers, also when many come at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect

from app_svc.db import METADATA
from app_svc.errors import Conflict
from app_svc.shipments import store
from app_svc.shipments.batch import Importer, check
from app_svc.shipments.listing import Cursor, Wanted
from app_svc.shipments.listing import store as listing
from app_svc.shipments.shipment import Register, Scan, Shipment, Site
from app_svc.shipments.store import ShipmentStore
from app_svc.tracking import store as _timeline  # its tables belong to the catalogue
from lib_one.event import utc_now
from lib_one.sql import Database, Outbox, open_database, upgrade
from lib_one.testing import Clock

HERE = Site(name="Hà Nội", country="VIỆT NAM", latitude=21.03, longitude=105.85)
THERE = Site(name="Abidjan", country="Côte d'Ivoire")
CLOCK = Clock()
SHIPMENTS = ShipmentStore(Outbox(source="/app-svc", now=CLOCK), now=CLOCK)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    await asyncio.to_thread(upgrade, database_url, package="app_svc")
    opened = open_database(database_url)
    yield opened
    await opened.close()


def command(reference: str, **more: Any) -> Register:
    return Register(**{"reference": reference, "origin": HERE, "destination": THERE, **more})


async def register(database: Database, wanted: Register) -> tuple[Shipment, bool]:
    return await database.work(lambda connection: SHIPMENTS.register(connection, wanted, by="me"))


async def scan(database: Database, key: str, step: Any = "loading", **more: Any) -> tuple[Shipment, str, bool]:
    wanted = Scan(biz_step=step, place=HERE, **more)
    return await database.work(lambda connection: SHIPMENTS.scan(connection, key, wanted, by="me"))


async def page(database: Database, **wanted: Any) -> tuple[list[str], int, bool]:
    found, total, more = await database.read(lambda connection: listing.page(connection, Wanted(**wanted), now=CLOCK()))
    return [one.reference for one in found], total, more


async def test_the_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    def differences(connection: Any) -> list[str]:
        inspector = inspect(connection)
        found = []
        for table in METADATA.tables.values():
            columns = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
            if columns != {column.name: bool(column.nullable) for column in table.columns}:
                found.append(table.name)
            indexes = {str(index["name"]): index["column_names"] for index in inspector.get_indexes(table.name)}
            for index in table.indexes:
                if indexes.get(str(index.name)) != [column.name for column in index.columns]:
                    found.append(str(index.name))
        return found

    assert _timeline.TIMELINE_ENTRY.name in METADATA.tables
    assert await database.read(differences) == []


async def test_a_shipment_comes_back_as_it_went_in(database: Database) -> None:
    moment = CLOCK() + timedelta(days=1, microseconds=7)
    shipment, new = await register(database, command("A-1", promised_at=moment))
    assert new
    assert shipment.promised_at == moment
    assert await register(database, command("A-1", promised_at=moment)) == (shipment, False)
    assert database.lookup(lambda connection: store.find(connection, "A-1")) == shipment
    assert database.lookup(lambda connection: store.find(connection, shipment.id)) == shipment
    moved, _, _ = await scan(database, "A-1", "departing")
    delivered, scan_id, new = await scan(database, "A-1", "receiving")
    assert (moved.revision, delivered.revision, new) == (2, 3, True)
    assert database.lookup(lambda connection: store.find(connection, "A-1")) == delivered
    assert scan_id


async def test_parallel_registrations_of_one_reference(database: Database) -> None:
    results = await asyncio.gather(*(register(database, command("A-1")) for _ in range(10)))
    assert sorted(new for _, new in results) == [False] * 9 + [True]
    assert len({shipment.id for shipment, _ in results}) == 1


async def test_parallel_scans_of_one_shipment(database: Database) -> None:
    await register(database, command("A-1"))
    results = await asyncio.gather(*(scan(database, "A-1") for _ in range(15)))
    assert sorted(shipment.revision for shipment, _, _ in results) == list(range(2, 17))


async def test_parallel_deliveries_of_one_shipment(database: Database) -> None:
    await register(database, command("A-1"))
    results = await asyncio.gather(*(scan(database, "A-1", "receiving") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 4


async def test_parallel_batches_with_common_references(database: Database) -> None:
    importer = Importer(SHIPMENTS, now=CLOCK)
    entries = [check({"reference": f"B-{n}", "origin": {"name": "H"}, "destination": {"name": "T"}}) for n in range(40)]
    outcomes = await asyncio.gather(
        *(
            database.work(lambda connection, part=part: importer.run(connection, part, by="me", dry_run=False))
            for part in (entries[:25], entries[15:], entries[10:30])
        )
    )
    created = [result.reference for results in outcomes for result in results if result.outcome == "created"]
    assert sorted(created) == sorted(f"B-{number}" for number in range(40))
    assert (await page(database, limit=100))[1] == 40


async def test_the_list_filters_and_pages_alike(database: Database) -> None:
    for number in range(5):
        registered_at = CLOCK() - timedelta(days=number // 2)
        await register(database, command(f"A-{number}", registered_at=registered_at))
    await register(database, command("Late_1", promised_at=CLOCK() - timedelta(days=1), destination=HERE))
    await scan(database, "A-0", "receiving")
    assert (await page(database, late=True))[0] == ["Late_1"]
    assert (await page(database, late=False))[1] == 5
    assert (await page(database, q="CÔTE D'I"))[1] == 5
    assert (await page(database, q="việt"))[1] == 6
    assert (await page(database, q="e_1"))[0] == ["Late_1"]
    assert (await page(database, q="%"))[1] == 0
    assert (await page(database, country="việt nam"))[0] == ["Late_1"]
    assert (await page(database, status="delivered"))[0] == ["A-0"]
    assert (await page(database, reference="A-3"))[0] == ["A-3"]
    seen: list[str] = []
    after = None
    while True:
        wanted = Wanted(limit=2, after=after)
        found, total, more = await database.read(lambda connection, w=wanted: listing.page(connection, w, now=CLOCK()))
        seen += [one.reference for one in found]
        assert total == 6
        if not more:
            break
        after = Cursor.decode(Cursor(found[-1].registered_at, found[-1].id).encode())
    assert sorted(seen) == ["A-0", "A-1", "A-2", "A-3", "A-4", "Late_1"]
    assert seen[-1] == "A-4"
    summary = await database.read(lambda connection: listing.summary(connection, now=utc_now()))
    assert summary.by_status == {"registered": 5, "in_transit": 0, "delivered": 1}
    assert summary.by_country == {"Côte d'Ivoire": 5, "VIỆT NAM": 1}
    assert summary.late == 1
