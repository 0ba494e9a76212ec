"""/admin/webhooks…: who may, what is answered, and that what happens here arrives. How it arrives: lib-one's tests."""

import json
from typing import Any

import pytest

from auth_svc.testing import House
from lib_one.http import Response
from lib_one.testing import eventually
from lib_one.webhook_signature import verify

WHERE = "https://partner.example/hooks"
PATHS = {
    "/admin/webhooks": ("POST", "GET", "PATCH", "DELETE"),
    "/admin/webhooks/secret": ("POST",),
    "/admin/webhooks/test": ("POST",),
    "/admin/webhooks/deliveries": ("GET", "POST"),
}


@pytest.fixture
async def ask(house: House) -> Any:
    """Ask as an operator."""
    token = (await house.tokens("otto", scope="admin"))["access_token"]

    async def send(method: str, path: str = "", body: object = None, **query: Any) -> Response:
        headers = {"authorization": f"Bearer {token}"}
        return await house.http.request(method, f"/admin/webhooks{path}", params=query, json=body, headers=headers)

    return send


async def delivered(house: House, ask: Any, id_: str) -> list[dict[str, Any]]:
    """The log, once nothing waits."""

    async def found() -> Any:
        log = (await ask("GET", "/deliveries", id=id_)).json()["deliveries"]
        return log and all(each["state"] == "delivered" for each in log) and log

    entries: list[dict[str, Any]] = await eventually(found)
    return entries


async def test_what_happens_arrives_where_an_operator_wants_it(house: House, ask: Any) -> None:
    house.web[WHERE] = Response(204)
    answer = await ask("POST", body={"url": WHERE, "types": ["token.issued.v1"], "description": "Partner"})
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    await house.post("/revoke", {"token": "of nobody"}, client="simulator")
    (entry,) = await delivered(house, ask, made["id"])
    (request,) = [each for each in house.web.requests if each.url.path == "/hooks"]
    sent = verify(request.content, request.headers, secrets=[made["secret"]], now=house.clock())
    (event,) = [each for each in await house.events("TokenIssued") if each.data.client_id == "simulator"]  # type: ignore[attr-defined]
    assert entry["event_id"] == sent == event.id
    said = json.loads(request.content)
    assert (said["type"], said["data"]["client_id"]) == ("token.issued.v1", "simulator")
    shown = (await ask("GET", id=made["id"])).json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (await ask("GET")).json() == {"webhooks": [shown]}
    assert 'webhook_attempts_total{outcome="delivered"} 1.0' in (await house.http.get("/metrics")).text


async def test_an_operator_changes_tries_repeats_and_removes_it(house: House, ask: Any) -> None:
    house.web[WHERE] = Response(204)
    id_ = (await ask("POST", body={"url": WHERE, "types": ["user.*"]})).json()["id"]
    changed = await ask("PATCH", id=id_, body={"types": ["*"], "description": "All of it"})
    assert (changed.json()["types"], changed.json()["description"]) == (["*"], "All of it")
    assert (await ask("POST", "/secret", {}, id=id_)).json()["secret"].startswith("whsec_")
    assert "old_secret_until" in (await ask("GET", id=id_)).json()
    assert (await ask("POST", "/test", id=id_)).status_code == 202
    (tested,) = await delivered(house, ask, id_)
    again = await ask("POST", "/deliveries", {"delivery_id": tested["delivery_id"]}, id=id_)
    assert (again.status_code, again.json()) == (202, {"deliveries": 1})
    since = await ask("POST", "/deliveries", {"since": "2026-11-20T00:00:00Z"}, id=id_)
    assert since.json() == {"deliveries": 0}
    assert (await ask("PATCH", id=id_, body={"state": "disabled"})).json()["reason"] == "operator"
    assert (await ask("POST", "/test", id=id_)).json()["error"] == "invalid_request"
    assert (await ask("DELETE", id=id_)).status_code == 204
    for method in ("GET", "DELETE"):
        answer = await ask(method, id=id_)
        assert (answer.status_code, answer.json()["error"]) == (404, "unknown_webhook")
    (fact,) = await house.events("WebhookDisabled")
    assert (fact.data.aggregate(), fact.source) == (id_, "/auth-svc")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"url": WHERE, "types": ["user.gone.v1"]}, "types: known are authentication.requested.v1, "),
        ({"url": WHERE, "types": []}, "types: name 1 to 100"),
        ({"url": "https://10.0.0.1/", "types": ["*"]}, "url: the address is not public"),
        ({"url": "http://partner.example/", "types": ["*"]}, "url: it must begin with https://"),
        ({"url": WHERE}, "The request is malformed"),
        ({"url": WHERE, "types": ["*"], "more": 1}, "The request is malformed"),
        ({"url": WHERE, "types": ["revocation.heartbeat.v1"]}, "types: known are"),
    ],
)
async def test_what_cannot_be_is_refused_with_the_reason(house: House, ask: Any, body: object, said: str) -> None:
    answer = await ask("POST", body=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_description"].startswith(said)
    assert (await ask("GET")).json() == {"webhooks": []}


async def test_only_operators_may(house: House) -> None:
    token = (await house.tokens("clara"))["access_token"]
    for path, methods in PATHS.items():
        for method in methods:
            assert (await house.http.request(method, path)).status_code == 401
            answer = await house.http.request(method, path, headers={"authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


async def test_nobody_who_wants_it_means_nothing_is_written(house: House) -> None:
    await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    assert not house.app.webhooks.registry.recorded
