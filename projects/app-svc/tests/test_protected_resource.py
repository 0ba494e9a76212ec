"""app-svc as a protected resource: whoever knows only its address finds out how to get in (RFC 9728, MCP)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lib_one.secret_key import load

RESOURCE = "https://tracking.example/api"
WELL_KNOWN = "/.well-known/oauth-protected-resource/api"
SCOPES = ["shipments:read", "shipments:write", "shipments:scan", "shipments:admin"]


@pytest.fixture
async def running(start: Any, tmp_path: Path) -> AsyncIterator[Any]:
    load(tmp_path / "secret.key", service="app-svc", create=True)  # where others come, the service makes none itself
    async with start(fresh=True, resource=RESOURCE) as service:
        yield service


def challenge(header: str) -> dict[str, str]:
    assert header.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', header))


async def test_metadata_says_who_issues_tokens_with_which_scopes_rfc9728_3_2(running: Any) -> None:
    answer = await running.http.get(WELL_KNOWN)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "resource": RESOURCE,
        "authorization_servers": [running.issuer.url],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "PS256", "EdDSA", "Ed25519"],
        "scopes_supported": SCOPES,
        "resource_name": "Shipment tracking",
    }


def scope_of(method: str, path: str) -> str:
    """What an operation is to need."""
    if path.startswith("/admin/"):
        return "shipments:admin"
    if path.endswith("/scans"):
        return "shipments:scan"
    return "shipments:read" if method == "GET" else "shipments:write"


async def test_every_operation_needs_its_scope_and_shows_the_way_rfc9728_5_1(running: Any) -> None:
    document = (await running.http.get("/openapi.json")).json()
    operations = [(method.upper(), path) for path, of_path in document["paths"].items() for method in of_path]
    guarded = [(method, path) for method, path in operations if path not in {"/health", "/ready", "/metrics"}]
    assert len(guarded) > 15
    others = {scope: " ".join(set(SCOPES) - {scope}) for scope in SCOPES}
    for method, path in guarded:
        address, scope = re.sub(r"\{\w+\}", "7", path), scope_of(method, path)
        answer = await running.http.request(method, address)
        assert answer.status_code == 401, (method, path)
        told = challenge(answer.headers["www-authenticate"])
        assert told["resource_metadata"] == f"https://tracking.example{WELL_KNOWN}"
        assert told["scope"] == scope, (method, path)
        assert "error" not in told  # RFC 6750 section 3.1: nothing was wrong yet
        answer = await running.caller(others[scope], aud=RESOURCE).send(method, address)
        assert answer.status_code == 403, (method, path)


@pytest.mark.parametrize(
    ("claims", "scope", "status"),
    [({"aud": "https://elsewhere.example"}, "shipments:read", 401), ({}, "openid", 403)],
)
async def test_tokens_for_others_and_too_narrow_ones_get_the_way_too_mcp(
    running: Any, claims: dict[str, str], scope: str, status: int
) -> None:
    answer = await running.caller(scope, **({"aud": RESOURCE} | claims)).get("/shipments")
    assert answer.status_code == status
    told = challenge(answer.headers["www-authenticate"])
    assert told["resource_metadata"] == f"https://tracking.example{WELL_KNOWN}"
    assert told["scope"] == "shipments:read"
    assert told["error"] == ("invalid_token" if status == 401 else "insufficient_scope")
