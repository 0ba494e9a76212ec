"""Scans over HTTP: the same scan once, revisions without gaps, nothing after the delivery."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

HUB = {"name": "Dakar (DSS)", "country": "SN", "latitude": 14.67, "longitude": -17.07}


async def test_a_scan_moves_the_shipment(clerk: Any) -> None:
    shipment = (await clerk.register("A-1")).json()
    scan_id = str(uuid4())
    answer = await clerk.scan(shipment["id"], "departing", place=HUB, scan_id=scan_id, note="two pallets")
    assert answer.status_code == 201
    body = answer.json()
    assert body["scan_id"] == scan_id
    assert (body["shipment"]["status"], body["shipment"]["revision"]) == ("in_transit", 2)
    assert body["shipment"]["last_place"] == HUB


async def test_a_scan_names_the_shipment_by_its_reference_as_well(clerk: Any) -> None:
    await clerk.register("A-1")
    assert (await clerk.scan("A-1")).json()["shipment"]["reference"] == "A-1"


async def test_the_same_scan_id_again_is_the_same_scan(clerk: Any) -> None:
    await clerk.register("A-1")
    scan_id = str(uuid4())
    answers = await asyncio.gather(*(clerk.scan("A-1", scan_id=scan_id) for _ in range(8)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 7}
    assert {answer.json()["shipment"]["revision"] for answer in answers} == {2}


async def test_a_scan_id_of_another_scan_is_a_conflict(clerk: Any) -> None:
    await clerk.register("A-1")
    await clerk.register("A-2")
    scan_id = str(uuid4())
    assert (await clerk.scan("A-1", scan_id=scan_id)).status_code == 201
    assert (await clerk.scan("A-2", scan_id=scan_id)).status_code == 409
    assert (await clerk.scan("A-1", "arriving", scan_id=scan_id)).status_code == 409
    assert (await clerk.scan("A-1", scan_id=scan_id, place=HUB)).status_code == 409
    assert (await clerk.get("/shipments/A-1")).json()["revision"] == 2


async def test_receiving_delivers_and_nothing_follows(clerk: Any) -> None:
    await clerk.register("A-1", promised_at="2020-01-01T00:00:00Z")
    scan_id = str(uuid4())
    answer = await clerk.scan("A-1", "receiving", scan_id=scan_id, occurred_at="2020-01-02T00:00:00Z")
    shipment = answer.json()["shipment"]
    assert (shipment["status"], shipment["delivered_at"]) == ("delivered", "2020-01-02T00:00:00Z")
    assert shipment["late"] is True
    assert (await clerk.scan("A-1", "arriving")).status_code == 409
    again = await clerk.scan("A-1", "receiving", scan_id=scan_id, occurred_at="2020-01-02T00:00:00Z")
    assert (again.status_code, again.json()) == (200, answer.json())


async def test_an_older_scan_that_comes_later_does_not_move_the_shipment_back(clerk: Any) -> None:
    await clerk.register("A-1")
    await clerk.scan("A-1", "arriving", place=HUB, occurred_at="2026-01-02T00:00:00Z")
    late = await clerk.scan("A-1", "loading", occurred_at="2026-01-01T00:00:00Z")
    assert late.json()["shipment"]["last_place"] == HUB
    assert late.json()["shipment"]["revision"] == 3


async def test_parallel_scans_get_one_revision_each(running: Any, clerk: Any) -> None:
    shipment = (await clerk.register("A-1")).json()
    answers = await asyncio.gather(*(clerk.scan("A-1") for _ in range(25)))
    assert sorted(answer.json()["shipment"]["revision"] for answer in answers) == list(range(2, 27))
    assert (await clerk.get("/shipments/A-1")).json()["revision"] == 26
    recorded = await running.service.database.read(
        lambda connection: [
            row[0]
            for row in connection.exec_driver_sql(
                f"SELECT body FROM outbox WHERE aggregate = '{shipment['id']}' ORDER BY position"
            )
        ]
    )
    assert [f'"revision":{number},'.encode() in body for number, body in enumerate(recorded, 1)] == [True] * 26


async def test_only_one_of_two_parallel_deliveries_counts(clerk: Any) -> None:
    await clerk.register("A-1")
    answers = await asyncio.gather(*(clerk.scan("A-1", "receiving") for _ in range(6)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}


async def test_a_shipment_that_does_not_exist_cannot_be_scanned(clerk: Any) -> None:
    assert (await clerk.scan("nothing")).status_code == 404
    assert (await clerk.scan(str(uuid4()))).status_code == 404


@pytest.mark.parametrize("scope", ["shipments:read", "shipments:write", "shipments:read shipments:write openid"])
async def test_an_employee_cannot_scan(running: Any, clerk: Any, scope: str) -> None:
    await clerk.register("A-1")
    answer = await running.caller(scope, subject="erin", roles=["employee"]).scan("A-1")
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert (await clerk.get("/shipments/A-1")).json()["revision"] == 1


async def test_a_driver_scans_and_reads_but_registers_nothing(running: Any, clerk: Any) -> None:
    await clerk.register("A-1")
    driver = running.caller("shipments:read shipments:scan", subject="dan", roles=["driver"])
    assert (await driver.scan("A-1")).status_code == 201
    assert (await driver.register("A-2")).status_code == 403
    assert (await driver.send("POST", "/shipments/batch", {"shipments": []})).status_code == 403
