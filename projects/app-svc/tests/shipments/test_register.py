"""Registration over HTTP: once per reference, whoever asks however often."""

import asyncio
from collections import Counter
from typing import Any

import pytest


async def test_a_registered_shipment_is_found_by_id_and_by_reference(clerk: Any) -> None:
    answer = await clerk.register("A-1", promised_at="2026-12-01T00:00:00+01:00")
    assert answer.status_code == 201
    shipment = answer.json()
    assert answer.headers["location"] == f"/shipments/{shipment['id']}"
    assert (shipment["status"], shipment["revision"], shipment["late"]) == ("registered", 1, False)
    assert (shipment["last_place"], shipment["delivered_at"]) == (None, None)
    assert shipment["promised_at"] == "2026-11-30T23:00:00Z"
    for key in (shipment["id"], shipment["id"].upper(), "A-1"):
        assert (await clerk.get(f"/shipments/{key}")).json() == shipment


async def test_the_same_registration_again_changes_nothing(clerk: Any) -> None:
    first = await clerk.register("A-1", promised_at="2026-12-01T00:00:00Z")
    again = await clerk.register("  A-1 ", promised_at="2026-12-01T01:00:00+01:00")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"origin": {"name": "Elsewhere"}}, "origin"),
        ({"destination": {"name": "Elsewhere"}}, "destination"),
        ({"promised_at": "2026-12-02T00:00:00Z"}, "promised"),
        ({"registered_at": "2020-12-02T00:00:00Z"}, "registration"),
    ],
)
async def test_other_content_under_a_taken_reference_is_a_conflict(clerk: Any, change: Any, word: str) -> None:
    await clerk.register("A-1", promised_at="2026-12-01T00:00:00Z")
    answer = await clerk.register("A-1", **{"promised_at": "2026-12-01T00:00:00Z", **change})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]


async def test_parallel_registrations_of_one_reference_make_one_shipment(clerk: Any) -> None:
    answers = await asyncio.gather(*(clerk.register("A-1") for _ in range(12)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 11}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await clerk.get("/shipments", q="A-1")).json()["total"] == 1


@pytest.mark.parametrize(
    "reference", ["Ä-Straße/7 №1", "荷物-12", "a" * 200, "'; DROP TABLE shipment; --", "%_*>", "🚚"]
)
async def test_a_reference_may_be_any_printable_text(clerk: Any, reference: str) -> None:
    answer = await clerk.register(reference)
    assert answer.status_code == 201
    assert answer.json()["reference"] == reference
    found = (await clerk.get("/shipments", reference=reference)).json()
    assert [one["reference"] for one in found["items"]] == [reference]


async def test_the_two_forms_of_an_umlaut_are_one_reference(clerk: Any) -> None:
    assert (await clerk.register("Mu\u0308nchen")).status_code == 201
    assert (await clerk.register("M\u00fcnchen")).status_code == 200
    assert (await clerk.get("/shipments/Mu\u0308nchen")).status_code == 200


async def test_the_subject_of_the_token_is_who_registered(running: Any) -> None:
    caller = running.caller(subject="0199-clara")
    shipment = (await caller.register("A-1")).json()
    facts = await running.service.database.read(
        lambda connection: [row[0] for row in connection.exec_driver_sql("SELECT body FROM outbox")]
    )
    assert len(facts) == 1
    assert b'"registered_by":"0199-clara"' in facts[0]
    assert shipment["id"].encode() in facts[0]
