"""What is refused, with which status, and never with a 500: RFC 9457 problems that name the field."""

import asyncio
import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD: dict[str, Any] = {"reference": "A-1", "origin": {"name": "Here"}, "destination": {"name": "There"}}


@pytest.fixture
def running(shared: Any) -> Any:
    """Nothing here changes anything, so one service is enough."""
    return shared


def with_place(**more: Any) -> dict[str, Any]:
    return {**GOOD, "origin": {"name": "Here", **more}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**GOOD, "reference": "\ud800"}, "reference"),
        ({**GOOD, "reference": "a\0b"}, "reference"),
        ({**GOOD, "reference": "a\x1b[31m"}, "reference"),
        ({**GOOD, "reference": "   "}, "reference"),
        ({**GOOD, "reference": "a" * 201}, "reference"),
        ({**GOOD, "reference": 7}, "reference"),
        ({**GOOD, "reference": None}, "reference"),
        ({**GOOD, "colour": "red"}, "colour"),
        ({"reference": "A-1", "origin": {"name": "Here"}}, "destination"),
        ({**GOOD, "origin": "Here"}, "origin"),
        (with_place(name=""), "origin.name"),
        (with_place(name="x" * 301), "origin.name"),
        (with_place(country="x" * 101), "origin.country"),
        (with_place(planet="Earth"), "origin.planet"),
        (with_place(latitude=float("nan"), longitude=0), "origin.latitude"),
        (with_place(latitude=float("inf"), longitude=0), "origin.latitude"),
        (with_place(latitude=0, longitude=float("-inf")), "origin.longitude"),
        (with_place(latitude=90.1, longitude=0), "origin.latitude"),
        (with_place(latitude=0, longitude=-180.1), "origin.longitude"),
        (with_place(latitude="5", longitude=0), "origin.latitude"),
        (with_place(latitude=5), "origin.longitude"),
        ({**GOOD, "promised_at": "2026-12-01T00:00:00"}, "promised_at"),
        ({**GOOD, "promised_at": "tomorrow"}, "promised_at"),
        ({**GOOD, "promised_at": 1767225600}, "promised_at"),
        ({**GOOD, "promised_at": "0001-01-01T00:00:00+14:00"}, "promised_at"),
        ({**GOOD, "promised_at": "9999-12-31T23:59:59-14:00"}, "promised_at"),
        ({**GOOD, "promised_at": "1899-12-31T23:59:59Z"}, "promised_at"),
        ({**GOOD, "registered_at": "2199-01-01T00:00:00Z"}, "registered_at"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_wrong_field_is_named(clerk: Any, body: dict[str, Any], field: str) -> None:
    answer = await clerk.send("POST", "/shipments", body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert (await clerk.get("/shipments", q="There")).json()["total"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"biz_step": "dancing", "place": {"name": "Here"}}, "biz_step"),
        ({"place": {"name": "Here"}}, "biz_step"),
        ({"biz_step": "loading"}, "place"),
        ({"biz_step": "loading", "place": {"name": "Here"}, "scan_id": "1"}, "scan_id"),
        ({"biz_step": "loading", "place": {"name": "Here"}, "scan_id": "*"}, "scan_id"),
        ({"biz_step": "loading", "place": {"name": "Here"}, "note": "x" * 1001}, "note"),
        ({"biz_step": "loading", "place": {"name": "Here"}, "note": "\0"}, "note"),
        ({"biz_step": "loading", "place": {"name": "Here"}, "occurred_at": "2199-01-01T00:00:00Z"}, "occurred_at"),
        ({"biz_step": "loading", "place": {"name": "Here"}, "by": "somebody else"}, "by"),
    ],
)
async def test_a_wrong_field_of_a_scan_is_named(clerk: Any, body: dict[str, Any], field: str) -> None:
    await clerk.register("A-1")
    answer = await clerk.send("POST", "/shipments/A-1/scans", body)
    assert answer.status_code == 422, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"reference": "A"}}', 400),
        (b"\xff\xfe", 400),
        (b'{"reference": "\xc3"}', 400),
        (b"reference=A-1", 400),
        (b"[" * 60_000, 400),
        (b'{"reference": ' + b"[" * 60_000, 422),
        (b'{"reference": ' + b"9" * 60_000 + b"}", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(clerk: Any, body: bytes, status: int) -> None:
    answer = await clerk.send("POST", "/shipments", body)
    assert answer.status_code in (status, 422 if status == 400 else 400), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
async def test_another_content_type_is_415(clerk: Any, media_type: str) -> None:
    answer = await clerk.send("POST", "/shipments", GOOD, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.headers["content-type"]) == (415, "application/problem+json")


@pytest.mark.parametrize("path", ["/shipments", "/shipments/batch", "/shipments/A-1/scans"])
async def test_a_body_of_10_mb_is_413(clerk: Any, path: str) -> None:
    answer = await clerk.send("POST", path, b'{"reference": "' + b"a" * 10_000_000 + b'"}')
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


async def test_a_chunked_body_of_10_mb_is_413(clerk: Any) -> None:
    async def chunks() -> Any:
        for _ in range(160):
            yield b"a" * 65_536

    answer = await clerk.http.post(
        "/shipments",
        content=chunks(),
        headers={"Authorization": f"Bearer {clerk.token}", "Content-Type": "application/json"},
    )
    assert answer.status_code == 413


async def test_a_large_body_is_not_read_when_the_client_waits_for_a_go(clerk: Any) -> None:
    reader, writer = await asyncio.open_connection(clerk.http.base_url.host, clerk.http.base_url.port)
    head = (
        f"POST /shipments HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {clerk.token}\r\nExpect: 100-continue\r\n"
        "Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n"
    )
    writer.write(head.encode())
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "key", ["*", ">", "a.b", "a b", "%00", "..%2f", "shipments.>", "'", "x" * 5000, "%ff", "\u202e"]
)
async def test_a_strange_id_is_not_found(clerk: Any, key: str) -> None:
    path = f"/shipments/{quote(key, safe='%')}"
    for answer in (
        await clerk.send("GET", path),
        await clerk.send("GET", f"{path}/timeline"),
        await clerk.send("POST", f"{path}/scans", {"biz_step": "loading", "place": {"name": "Here"}}),
        await clerk.send("GET", "/shipments/live", params={"shipment_id": key}),
    ):
        assert answer.status_code in (400, 404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"status": "lost"}, 422),
        ({"late": "maybe"}, 422),
        ({"limit": "0"}, 422),
        ({"limit": "501"}, 422),
        ({"limit": "many"}, 422),
        ({"colour": "red"}, 422),
        ({"q": "x" * 201}, 422),
        ({"q": "a\0b"}, 422),
        ({"reference": "\0"}, 422),
        ({"country": "\0"}, 422),
        ({"cursor": "nonsense"}, 400),
        ({"cursor": "W10"}, 400),
        ({"cursor": "WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwiYSJd"}, 400),
        ({"cursor": "\u00e4"}, 400),
        ({"cursor": "x" * 401}, 422),
    ],
)
async def test_a_wrong_parameter_of_the_list_is_refused(clerk: Any, params: dict[str, str], status: int) -> None:
    answer = await clerk.get("/shipments", **params)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("value", ["-1", "1.5", "abc", "9" * 19, "²"])
async def test_a_wrong_last_event_id_is_400(clerk: Any, value: str) -> None:
    answer = await clerk.send("GET", "/shipments/live", headers={"Last-Event-ID": value.encode()})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_unknown_addresses_and_methods_are_problems(clerk: Any) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/shipments", 405), ("PUT", "/shipments/A", 405)):
        answer = await clerk.send(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (await clerk.send("PUT", "/shipments")).headers["allow"] == "GET, POST"
    assert (await clerk.send("PUT", "/shipments/A")).headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/shipments"),
        ("POST", "/shipments/batch"),
        ("POST", "/shipments/A/scans"),
        ("GET", "/shipments"),
        ("GET", "/shipments/summary"),
        ("GET", "/shipments/A"),
        ("GET", "/shipments/A/timeline"),
        ("GET", "/shipments/live"),
    ],
)
async def test_nothing_is_answered_without_a_token(running: Any, method: str, path: str) -> None:
    answer = await running.http.request(method, path, content=b"a" * 1000)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert answer.headers["content-type"] == "application/problem+json"
    other = running.caller("openid profile")
    assert (await other.send(method, path, GOOD if method == "POST" else None)).status_code == 403


async def test_a_fault_inside_says_nothing_about_it(running: Any, clerk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(running.service.database, "lookup", broken)
    answer = await clerk.get(f"/shipments/{uuid4()}")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_the_openapi_document_holds_together(running: Any) -> None:
    document = (await running.http.get("/openapi.json")).json()
    text = json.dumps(document)
    names = set(document["components"]["schemas"])
    used = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert used <= names
    assert {"Register", "Scan", "ShipmentView", "Timeline"} <= names
    assert "requestBody" in document["paths"]["/shipments"]["post"]
