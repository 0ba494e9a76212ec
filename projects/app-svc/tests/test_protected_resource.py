"""app-svc as a protected resource: whoever knows only its address finds out how to get in (RFC 9728, MCP)."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lib_one.secret_key import load

RESOURCE = "https://tracking.example/api"
WELL_KNOWN = "/.well-known/oauth-protected-resource/api"


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
        "scopes_supported": ["shipments:read", "shipments:write", "shipments:scan", "shipments:admin"],
        "resource_name": "Shipment tracking",
    }


async def test_every_guarded_operation_shows_the_way_and_its_scope_rfc9728_5_1(running: Any) -> None:
    document = (await running.http.get("/openapi.json")).json()
    guarded = [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    ]
    assert len(guarded) > 5
    for method, path in guarded:
        answer = await running.http.request(method, re.sub(r"\{\w+\}", "x", path))
        assert answer.status_code == 401, (method, path)
        told = challenge(answer.headers["www-authenticate"])
        assert told["resource_metadata"] == f"https://tracking.example{WELL_KNOWN}"
        assert told["scope"].split()[0].startswith("shipments:"), (method, path)
        assert "error" not in told  # RFC 6750 section 3.1: nothing was wrong yet


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
