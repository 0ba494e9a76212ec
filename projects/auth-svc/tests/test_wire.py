"""What every machine endpoint owes: hygiene that FastAPI would not give (RFC 6749 sections 3.2 and 5.2)."""

import asyncio
import json
from typing import Any

import pytest

from auth_svc.errors import InvalidRequest, MalformedEncoding, RepeatedParameter
from auth_svc.testing import House
from auth_svc.wire import form_decode, parse_form

FORM = {"content-type": "application/x-www-form-urlencoded"}
MACHINE = ["/token", "/introspect", "/revoke", "/device_authorization"]
"""Every endpoint that takes a form from a client."""


def must_be_oauth_error(answer: Any, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["error"] == code
    assert body["error_description"].isascii()
    assert set(body) == {"error", "error_description"}


@pytest.mark.parametrize("path", MACHINE)
async def test_repeated_parameter_is_invalid_request_rfc6749_3_2(house: House, path: str) -> None:
    answer = await house.http.post(path, content=b"client_id=simulator&token=a&token=b", headers=FORM)
    must_be_oauth_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("path", MACHINE)
@pytest.mark.parametrize(
    "body",
    [
        b"token=%zz",
        b"token=%4",
        b"token=%",
        b"token=%ff%fe",
        b"token=\xff",
        b"token=a%00b",
        b"token=a\x00b",
        b"token=%ed%a0%80",
        b"%00=a",
        b"token=a%0d%0ab",
    ],
)
async def test_malformed_encoding_is_invalid_request(house: House, path: str, body: bytes) -> None:
    answer = await house.http.post(path, content=body, headers=FORM)
    must_be_oauth_error(answer, 400, "invalid_request")


@pytest.mark.parametrize("path", MACHINE)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "",
        "application/x-www-form-urlencoded; charset=latin-1",
    ],
)
async def test_other_content_type_is_invalid_request(house: House, path: str, content_type: str) -> None:
    answer = await house.http.post(path, content=b"token=a", headers={"content-type": content_type})
    must_be_oauth_error(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded;charset=UTF-8", "APPLICATION/x-www-form-urlencoded"]
)
async def test_content_type_is_compared_as_a_media_type(house: House, content_type: str) -> None:
    answer = await house.http.post(
        "/token",
        content=b"grant_type=client_credentials",
        headers={"content-type": content_type, **house.basic("simulator")},
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", MACHINE)
async def test_empty_body_is_an_oauth_error(house: House, path: str) -> None:
    answer = await house.http.post(path, content=b"", headers=FORM)
    must_be_oauth_error(answer, 401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_empty_parameter_counts_as_omitted_rfc6749_3_2(house: House) -> None:
    answer = await house.http.post(
        "/token",
        content=b"grant_type=client_credentials&scope=&client_secret=&scope=shipments%3Aread&unknown=x",
        headers=FORM | house.basic("simulator"),
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "shipments:read"


@pytest.mark.parametrize("path", MACHINE)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
async def test_other_method_is_405_with_allow_rfc9110_15_5_6(house: House, path: str, method: str) -> None:
    answer = await house.http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, OPTIONS"
    assert answer.headers["cache-control"] == "no-store"
    if method != "HEAD":
        assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", MACHINE)
async def test_options_lists_methods_and_opens_nothing_to_browsers(house: House, path: str) -> None:
    answer = await house.http.options(path, headers={"origin": "https://evil.example"})
    assert answer.status_code == 204
    assert answer.headers["allow"] == "POST, OPTIONS"
    assert "access-control-allow-origin" not in answer.headers


async def call(app: Any, path: str, headers: list[tuple[bytes, bytes]], chunk: bytes) -> tuple[int, int, bytes, int]:
    """POST an endless body; returns status, chunks taken, answer and how many messages were sent."""
    taken, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await asyncio.wait_for(app(scope, receive, send), 30)
    return sent[0]["status"], taken, sent[1]["body"], len(sent)


@pytest.mark.parametrize("length", [b"10485760", b"9" * 5000])
@pytest.mark.parametrize("path", MACHINE)
async def test_announced_10_mb_body_is_413_without_reading_it(house: House, path: str, length: bytes) -> None:
    headers = [(b"content-type", FORM["content-type"].encode()), (b"content-length", length)]
    status, taken, body, _ = await call(house.app, path, headers, b"x" * 65536)
    assert (status, taken) == (413, 0)
    assert json.loads(body)["error"] == "invalid_request"


@pytest.mark.parametrize("path", MACHINE)
async def test_endless_chunked_body_is_413_after_the_limit(house: House, path: str) -> None:
    headers = [(b"content-type", FORM["content-type"].encode())]
    status, taken, _, _ = await call(house.app, path, headers, b"x" * 16384)
    assert status == 413
    assert taken <= 5


async def test_caller_who_goes_away_gets_no_answer_and_breaks_nothing(house: House) -> None:
    sent = []
    messages = [
        {"type": "http.request", "body": b"a=", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", FORM["content-type"].encode())]
    scope = {"type": "http", "method": "POST", "path": "/token", "query_string": b"", "headers": headers}
    await house.app(scope, receive, send)
    assert sent == []


async def test_unexpected_error_is_server_error_without_a_word_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_more: object) -> None:
        raise RuntimeError("a secret of the house")

    monkeypatch.setattr(house.app.issuer, "issue", broken)
    answer = await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    must_be_oauth_error(answer, 500, "server_error")
    assert "secret of the house" not in answer.text


async def test_database_away_is_503_with_retry_after(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from lib_one.sql import DatabaseUnavailableError

    async def away(*_arguments: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(house.app.ledger.database, "work", away)
    answer = await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    must_be_oauth_error(answer, 503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"a+b", "a b"),
        (b"a%2Bb", "a+b"),
        (b"%C3%a4", "ä"),
        (b"%c3%A4", "ä"),
        ("ä".encode(), "ä"),
        (b"%25zz", "%zz"),
        (b"%F0%9F%9A%9A", "🚚"),
        (b"", ""),
    ],
)
def test_form_values_are_decoded(raw: bytes, text: str) -> None:
    assert form_decode(raw) == text


def test_every_percent_code_is_read_in_either_case() -> None:
    for byte in range(0x20, 0x7F):
        for code in (f"%{byte:02x}", f"%{byte:02X}"):
            assert form_decode(code.encode()) == chr(byte)
    with pytest.raises(MalformedEncoding):
        form_decode(b"%+1")


def test_form_keeps_every_resource_and_nothing_else_twice_rfc8707_2() -> None:
    form = parse_form(b"resource=a&resource=b&x=1")
    assert form.resources == ("a", "b")
    assert form["x"] == "1"
    with pytest.raises(RepeatedParameter):
        parse_form(b"x=1&%78=2")


def test_form_without_pairs_is_empty() -> None:
    assert parse_form(b"") == {}
    assert parse_form(b"&&=&=x&a") in ({}, {"": "x"})


def test_refusals_never_carry_what_the_caller_sent() -> None:
    assert InvalidRequest("detail for the log").description == InvalidRequest.description
