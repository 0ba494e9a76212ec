"""Webhooks for shipments: an operator says where, and what happens arrives. How it arrives: lib-one's tests."""

import json
from typing import Any

import pytest

from lib_one.event import utc_now
from lib_one.testing import eventually, listening
from lib_one.webhook_signature import verify

ADMIN = "shipments:read shipments:write shipments:admin"
WHERE = "http://127.0.0.1:9/hooks"
PATHS = {
    "": ("POST", "GET", "PATCH", "DELETE"),
    "/secret": ("POST",),
    "/test": ("POST",),
    "/deliveries": ("GET", "POST"),
}


async def test_what_happens_to_shipments_arrives_and_a_batch_in_one_go(running: Any) -> None:
    operator = running.caller(ADMIN)
    async with listening() as listener:
        wanted = {"url": listener.url, "types": ["shipment.registered.v1"], "description": "Partner"}
        made = (await operator.send("POST", "/admin/webhooks", wanted)).json()
        place = {"name": "Zürich", "country": "CH"}
        entries = [{"reference": f"R-{n}", "origin": place, "destination": place} for n in range(20)]
        answer = await operator.send("POST", "/shipments/batch", {"shipments": entries})
        created = [result["id"] for result in answer.json()["results"]]
        await eventually(lambda: len(listener.arrived) == 20)
        told = {}
        for request in listener.arrived:
            sent = verify(request.body, request.headers, secrets=[made["secret"]], now=utc_now())
            said = json.loads(request.body)
            assert said["type"] == "shipment.registered.v1"
            told[sent] = said["data"]["shipment_id"]
        assert [told[sent] for sent in sorted(told)] == created

        async def settled() -> Any:
            return (await operator.get("/admin/webhooks", id=made["id"])).json()["waiting"] == 0

        await eventually(settled)
        log = (await operator.get("/admin/webhooks/deliveries", id=made["id"], limit=100, state="delivered")).json()
        assert {entry["event_id"] for entry in log["deliveries"]} == told.keys()
    assert 'webhook_attempts_total{outcome="delivered"} 20.0' in (await running.http.get("/metrics")).text


async def test_an_operator_changes_rotates_and_removes(running: Any) -> None:
    operator = running.caller(ADMIN)
    answer = await operator.send("POST", "/admin/webhooks", {"url": WHERE, "types": ["shipment.*", "webhook.*"]})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    query = {"params": {"id": answer.json()["id"]}}
    changed = await operator.send("PATCH", "/admin/webhooks", {"types": ["*"], "state": "disabled"}, **query)
    assert (changed.json()["types"], changed.json()["reason"]) == (["*"], "operator")
    refused = await operator.send("POST", "/admin/webhooks/test", **query)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "state")
    assert (await operator.send("PATCH", "/admin/webhooks", {"state": "enabled"}, **query)).json()["state"] == "enabled"
    rotated = (await operator.send("POST", "/admin/webhooks/secret", {}, **query)).json()
    assert rotated["secret"] != answer.json()["secret"]
    assert (await operator.send("POST", "/admin/webhooks/test", **query)).status_code == 202
    since = await operator.send("POST", "/admin/webhooks/deliveries", {"since": "2026-01-01T00:00:00Z"}, **query)
    assert (since.status_code, since.json()) == (202, {"deliveries": 0})
    assert (await operator.send("DELETE", "/admin/webhooks", **query)).status_code == 204
    gone = await operator.send("DELETE", "/admin/webhooks", **query)
    assert (gone.status_code, gone.headers["content-type"]) == (404, "application/problem+json")
    assert (await operator.get("/admin/webhooks")).json() == {"webhooks": []}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": WHERE, "types": ["token.issued.v1"]}, "types"),
        ({"url": "https://10.0.0.1/", "types": ["*"]}, "url"),
        ({"url": "http://partner.example/", "types": ["*"]}, "url"),
        ({"types": ["*"]}, "url"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_field(shared: Any, body: object, field: str) -> None:
    answer = await shared.caller(ADMIN).send("POST", "/admin/webhooks", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.asyncio(loop_scope="module")
async def test_webhooks_are_for_operators(shared: Any) -> None:
    clerk = shared.caller()
    for path, methods in PATHS.items():
        for method in methods:
            assert (await clerk.send(method, f"/admin/webhooks{path}")).status_code == 403
