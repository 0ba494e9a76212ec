"""What strangers send, against the running system: the right status, a clear error, never a traceback or a 500."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.running import FrontDoor
from tests.test_system import PLACE, bearer, client_credentials, register

pytestmark = pytest.mark.system

REDIRECT = "http://127.0.0.1:9/callback"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
GOOD = {
    "response_type": "code",
    "client_id": "cli-proj",
    "redirect_uri": REDIRECT,
    "scope": "shipments:read",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def _no_traceback_in_any_log(system: FrontDoor) -> Iterator[None]:
    yield
    for name in ("auth-svc", "app-svc"):
        assert "Traceback" not in (system.data / "logs" / f"{name}.log").read_text()


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in GOOD.items() if name not in names}


@pytest.mark.parametrize(
    "query",
    [
        {**GOOD, "client_id": "nobody"},
        without("client_id"),
        {**GOOD, "redirect_uri": "https://evil.example/callback"},
        {**GOOD, "redirect_uri": "http://localhost:9/callback"},
        {**GOOD, "redirect_uri": "http://127.0.0.1:9/callback/../x"},
        {**GOOD, "redirect_uri": "javascript:alert(1)"},
        without("redirect_uri"),
    ],
    ids=str,
)
def test_bad_client_or_redirect_is_a_page_and_never_a_redirect(
    system: FrontDoor, http: httpx.Client, query: dict[str, str]
) -> None:
    answer = http.get(f"{system.issuer}/authorize", params=query)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (without("code_challenge", "code_challenge_method"), "invalid_request"),
        (without("code_challenge_method"), "invalid_request"),  # absent means plain (RFC 7636 section 4.3)
        ({**GOOD, "code_challenge_method": "plain"}, "invalid_request"),
        ({**GOOD, "code_challenge": "short"}, "invalid_request"),
        ({**GOOD, "response_type": "token"}, "unsupported_response_type"),
        ({**GOOD, "scope": "everything"}, "invalid_scope"),
        ({**GOOD, "request": "a.b.c"}, "invalid_request_object"),
        ({**GOOD, "prompt": "none"}, "login_required"),
    ],
    ids=str,
)
def test_bad_authorization_request_goes_back_with_state_and_issuer(
    system: FrontDoor, http: httpx.Client, query: dict[str, str], code: str
) -> None:
    answer = http.get(f"{system.issuer}/authorize", params=query)
    assert answer.status_code in (302, 303)
    response = parse_qs(urlsplit(answer.headers["location"]).query)
    assert answer.headers["location"].startswith(REDIRECT)
    assert (response["error"], response["state"], response["iss"]) == ([code], ["s"], [system.issuer])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 401, "invalid_client"),
        ("grant_type=password&client_id=cli-proj", 400, "unsupported_grant_type"),
        ("grant_type=client_credentials&client_id=nobody&client_secret=x", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=simulator&client_secret=wrong", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=cli-proj", 400, "unauthorized_client"),
        ("grant_type=refresh_token&grant_type=refresh_token&client_id=cli-proj", 400, "invalid_request"),
        ("grant_type=refresh_token&client_id=cli-proj&refresh_token=nothing", 400, "invalid_grant"),
        (
            "grant_type=authorization_code&client_id=cli-proj&code=nothing&code_verifier=" + "v" * 43,
            400,
            "invalid_grant",
        ),
        ("grant_type=authorization_code&client_id=cli-proj", 400, "invalid_request"),
        ("grant_type=%ff%fe&client_id=cli-proj", 400, "invalid_request"),
        ("grant_type=refresh_token&client_id=cli-proj&refresh_token=%00", 400, "invalid_request"),
        ("{}", 401, "invalid_client"),
    ],
    ids=str,
)
def test_bad_token_request_gets_an_oauth_error(
    system: FrontDoor, http: httpx.Client, body: str, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http.post(f"{system.issuer}/token", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.headers["cache-control"] == "no-store"


def test_json_where_a_form_belongs_gets_an_oauth_error(system: FrontDoor, http: httpx.Client) -> None:
    for path in ("/token", "/introspect", "/revoke", "/device_authorization"):
        answer = http.post(f"{system.issuer}{path}", json={"grant_type": "client_credentials"})
        assert answer.status_code in (400, 415)
        assert answer.json()["error"] == "invalid_request"


def changed(token: str, part: int, **members: object) -> str:
    """The token with other members in its header (0) or claims (1), and the signature that it had."""
    parts = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(parts[part] + "=="))
    encoded = base64.urlsafe_b64encode(json.dumps({**decoded, **members}).encode()).rstrip(b"=").decode()
    return ".".join([*parts[:part], encoded, *parts[part + 1 :]])


def test_bad_token_gets_a_challenge(system: FrontDoor, http: httpx.Client) -> None:
    """Expiry, audience and type of properly signed tokens are tested in lib-two, whose tests hold the keys."""
    good = client_credentials(system, "shipments:read")
    header, claims, signature = good.split(".")
    hostile = [
        "x",
        "a.b.c",
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature[::-1]}",
        changed(good, 1, exp=4_000_000_000),
        changed(good, 1, scope="shipments:write"),
        changed(good, 0, alg="none"),
        changed(good, 0, alg="HS256"),
        changed(good, 0, typ="JWT"),
        changed(good, 0, kid="../../etc/passwd"),
        "e" * 20_000,
    ]
    for token in hostile:
        answer = http.get(f"{system.app_url}/shipments", headers=bearer(token))
        assert answer.status_code in (400, 401, 431), token[:60]
        if answer.status_code == 401:
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert http.get(f"{system.app_url}/shipments", headers=bearer(good)).status_code == 200


@pytest.mark.parametrize(
    "identifier", ["*", ">", "a.b", "a b", "%00", "..%2f..", "shipments.>", "x" * 500, "%f0%9f%93%a6"]
)
def test_id_with_wildcards_is_not_found(system: FrontDoor, http: httpx.Client, identifier: str) -> None:
    headers = bearer(client_credentials(system, "shipments:read shipments:scan"))
    for path in (f"/shipments/{identifier}", f"/shipments/{identifier}/timeline"):
        answer = http.get(system.app_url + path, headers=headers)
        assert answer.status_code in (400, 404), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    scan = {"biz_step": "loading", "place": PLACE}
    answer = http.post(f"{system.app_url}/shipments/{identifier}/scans", json=scan, headers=headers)
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"reference": NaN}',
        b'{"reference": "\\ud800", "origin": {"name": "a"}, "destination": {"name": "b"}}',
        b'{"reference": "a\\u0000b", "origin": {"name": "a"}, "destination": {"name": "b"}}',
        b'{"reference": "R", "origin": {"name": "a", "latitude": 1e999}, "destination": {"name": "b"}}',
        b'{"reference": "R", "origin": {"name": "a"}, "destination": {"name": "b"}, "promised_at": "2026-01-01T00:00"}',
        b'{"reference": "R", "origin": {"name": "a"}, "destination": {"name": "b"}, "colour": "red"}',
        b"\xff\xfe",
        b"[" * 50_000,
    ],
    ids=lambda body: repr(body[:60]),
)
def test_bad_shipment_gets_a_problem(system: FrontDoor, http: httpx.Client, body: bytes) -> None:
    headers = bearer(client_credentials(system, "shipments:write")) | {"Content-Type": "application/json"}
    answer = http.post(f"{system.app_url}/shipments", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_ten_megabytes_are_refused(system: FrontDoor) -> None:
    headers = bearer(client_credentials(system, "shipments:write")) | {"Content-Type": "application/json"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for url, wanted in ((f"{system.app_url}/shipments", headers), (f"{system.issuer}/token", form)):
        with httpx.Client(timeout=60) as client:  # the server may close the connection
            answer = client.post(url, content=b"x" * 10_000_000, headers=wanted)
        assert answer.status_code == 413


def test_scope_that_is_missing_is_named(system: FrontDoor, http: httpx.Client) -> None:
    shipment = register(system, "SYS-SCOPE-1")
    headers = bearer(client_credentials(system, "shipments:read"))
    scan = {"biz_step": "loading", "place": PLACE}
    answer = http.post(f"{system.app_url}/shipments/{shipment}/scans", json=scan, headers=headers)
    assert answer.status_code == 403
    assert 'scope="shipments:scan"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\xff" * 50, "line 1"),
        (b'Reference,From,To\n"A,B,C\nx', "line"),
        (b"Reference,To\nA,B\n", "From"),
        ("Reference,From,To\nA,Köln,B\n".encode("latin-1"), "line 2"),
    ],
    ids=["empty", "binary", "unterminated", "no-such-column", "encoding"],
)
def test_broken_csv_gets_a_clear_line(system: FrontDoor, tmp_path: Path, content: bytes, words: str) -> None:
    file, mapping = tmp_path / "broken.csv", tmp_path / "map.toml"
    file.write_bytes(content)
    mapping.write_text('[shipment]\nreference = "Reference"\norigin.name = "From"\ndestination.name = "To"\n')
    cli = system.cli(tmp_path)
    with cli.start("shipments", "import", str(file), "--map", str(mapping), "--dry-run") as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert words.lower() in errors.lower()
    assert "Traceback" not in out + errors
    assert len(errors.strip().splitlines()) <= 4
