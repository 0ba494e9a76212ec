"""The batch: one result an entry, one unit of work, and the same batch again changes nothing."""

from collections import Counter
from typing import Any

import pytest


def entry(reference: Any, **more: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "origin": {"name": "Here"},
        "destination": {"name": "There", "country": "X"},
        **more,
    }


async def batch(caller: Any, *entries: Any, dry_run: bool = False) -> list[dict[str, Any]]:
    answer = await caller.send("POST", "/shipments/batch", {"shipments": list(entries), "dry_run": dry_run})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]  # type: ignore[no-any-return]


async def test_bad_entries_do_not_block_the_good_ones(clerk: Any) -> None:
    entries = [entry(f"B-{number}") for number in range(500)]
    entries[3] = {"reference": "  B-3 ", "origin": {"name": "Here"}}
    entries[4] = entry("B-4", delivered_at="2020-01-01")
    entries[5] = entry(5)
    entries[6] = "nonsense"
    entries[7] = entry("B-7", colour="red")
    entries[8] = entry("B-8", delivered_at="2199-01-01T00:00:00Z")
    entries[9] = entry("\ud800")
    entries[10] = entry("B-10", origin={"name": "Here", "latitude": float("nan"), "longitude": 1})
    entries[11] = entry("a\0")
    results = await batch(clerk, *entries)
    assert Counter(result["outcome"] for result in results) == {"created": 491, "invalid": 9}
    assert [number for number, result in enumerate(results) if result["outcome"] == "invalid"] == list(range(3, 12))
    assert results[3] == {
        "reference": "B-3",
        "outcome": "invalid",
        "detail": "destination: Object missing required field destination",
    }
    assert results[5]["reference"] is None
    assert results[6]["reference"] is None
    assert results[10]["detail"].startswith("origin.latitude: ")
    assert (await clerk.get("/shipments")).json()["total"] == 491
    assert (await clerk.get(f"/shipments/{results[0]['id']}")).json()["reference"] == "B-0"


async def test_the_same_batch_again_changes_nothing(running: Any, clerk: Any) -> None:
    entries = [entry("B-1", delivered_at="2020-01-01T00:00:00Z", promised_at="2019-12-31T00:00:00Z"), entry("B-2")]
    first = await batch(clerk, *entries)
    again = await batch(clerk, *entries)
    assert [result["outcome"] for result in again] == ["unchanged", "unchanged"]
    assert [result["id"] for result in again] == [result["id"] for result in first]
    facts = await running.service.database.read(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM outbox").scalar_one()
    )
    assert facts == 3


async def test_a_delivered_entry_is_delivered_at_its_destination(clerk: Any) -> None:
    (result,) = await batch(
        clerk, entry("B-1", delivered_at="2020-01-01T00:00:00Z", promised_at="2019-12-31T00:00:00Z")
    )
    shipment = (await clerk.get(f"/shipments/{result['id']}")).json()
    assert (shipment["status"], shipment["revision"], shipment["late"]) == ("delivered", 2, True)
    assert shipment["last_place"] == shipment["destination"]
    assert shipment["delivered_at"] == "2020-01-01T00:00:00Z"


async def test_conflicts_are_told_and_change_nothing(clerk: Any) -> None:
    await batch(clerk, entry("B-1"), entry("B-2", delivered_at="2020-01-01T00:00:00Z"))
    results = await batch(
        clerk,
        entry("B-1", promised_at="2020-01-01T00:00:00Z"),
        entry("B-1", delivered_at="2020-01-01T00:00:00Z"),
        entry("B-2", delivered_at="2021-01-01T00:00:00Z"),
        entry("B-2"),
    )
    assert [result["outcome"] for result in results] == ["conflict", "conflict", "conflict", "unchanged"]
    assert [bool(result.get("detail")) for result in results] == [True, True, True, False]


async def test_one_reference_twice_in_a_batch_is_one_shipment(clerk: Any) -> None:
    results = await batch(clerk, entry("B-1"), entry("B-1"), entry("B-1", promised_at="2020-01-01T00:00:00Z"))
    assert [result["outcome"] for result in results] == ["created", "unchanged", "conflict"]
    assert len({result["id"] for result in results}) == 1


async def test_a_dry_run_tells_the_same_and_writes_nothing(clerk: Any) -> None:
    await batch(clerk, entry("B-1"))
    entries = [entry("B-1"), entry("B-2"), entry("B-2"), entry(""), entry("B-1", promised_at="2020-01-01T00:00:00Z")]
    dry = await batch(clerk, *entries, dry_run=True)
    assert (await clerk.get("/shipments")).json()["total"] == 1
    real = await batch(clerk, *entries)
    assert [result["outcome"] for result in dry] == [result["outcome"] for result in real]
    assert [result["outcome"] for result in dry] == ["unchanged", "created", "unchanged", "invalid", "conflict"]
    assert "id" not in dry[1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"shipments": [entry("B")] * 501}, "shipments"),
        ({"shipments": {}}, "shipments"),
        ({}, "shipments"),
        ({"shipments": [], "dry_run": "yes"}, "dry_run"),
        ({"shipments": [], "force": True}, "force"),
    ],
)
async def test_a_batch_that_is_none_is_refused(clerk: Any, body: Any, field: str) -> None:
    answer = await clerk.send("POST", "/shipments/batch", body)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_seven_thousand_delivered_shipments_come_in(clerk: Any) -> None:
    """The size of the real import."""
    for start in range(0, 7030, 500):
        entries = [
            entry(f"ASN-{number}", delivered_at="2010-01-02T00:00:00Z", promised_at="2010-01-01T00:00:00Z")
            for number in range(start, min(start + 500, 7030))
        ]
        assert {result["outcome"] for result in await batch(clerk, *entries)} == {"created"}
    summary = (await clerk.get("/shipments/summary")).json()
    assert summary == {
        "total": 7030,
        "by_status": {"registered": 0, "in_transit": 0, "delivered": 7030},
        "by_country": {"X": 7030},
        "late": 7030,
    }
