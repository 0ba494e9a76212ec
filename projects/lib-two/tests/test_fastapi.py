"""The answers of a guarded API: RFC 6750 section 3, RFC 9728, RFC 9457."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from lib_one import http as web
from lib_one.contracts.revocation import TokenRevoked
from lib_one.event import event
from lib_one.testing import Clock
from lib_two.fastapi import install, require
from lib_two.guard import Guard, Principal
from lib_two.revocation import RevocationView
from lib_two.testing import FakeIssuer, QuietFeed

RESOURCE = "http://127.0.0.1:8401"
METADATA = "http://127.0.0.1:8401/.well-known/oauth-protected-resource"


@pytest.fixture
def app(issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView, clock: Clock) -> FastAPI:
    app = FastAPI()
    guard = Guard(
        issuer=issuer.url,
        audience=RESOURCE,
        view=view,
        http=http,
        client_id="app-svc",
        client_secret="app-svc-secret",
        now=clock,
    )
    install(app, guard, resource=RESOURCE, issuer=issuer.url, scopes=("shipments:read", "shipments:scan"))

    @app.get("/shipments")
    async def shipments(principal: Annotated[Principal, Depends(require("shipments:read"))]) -> dict[str, Any]:
        return {"subject": principal.subject}

    careful = require("shipments:read", max_age=timedelta(minutes=5), acr_values=("phr", "phrh"))

    @app.delete("/shipments", dependencies=[Depends(careful)])
    async def forget() -> None:
        return None

    @app.post("/scans")
    async def scan(principal: Annotated[Principal, Depends(require("shipments:read", "shipments:scan"))]) -> None:
        raise AssertionError(f"{principal} has no right to be here")

    return app


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[web.AsyncClient]:
    async with web.client(base_url=RESOURCE, transport=web.ASGITransport(app=app)) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def challenge(response: web.Response) -> dict[str, str]:
    """The parameters of the Bearer challenge, which comes first."""
    scheme, _, rest = response.headers.get_list("WWW-Authenticate")[0].partition(" ")
    assert scheme == "Bearer"
    pairs = (entry.split("=", 1) for entry in rest.split(", "))
    return {name: value.strip('"') for name, value in pairs}


def assert_problem(response: web.Response, status: int) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]


async def test_token_with_the_scope_gets_in(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    response = await api.get("/shipments", headers=bearer(issuer.mint("user-1", "shipments:read openid")))
    assert (response.status_code, response.json()) == (200, {"subject": "user-1"})


async def test_scheme_is_case_insensitive(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    """RFC 9110 section 11.1."""
    token = issuer.mint("user-1", "shipments:read")
    assert (await api.get("/shipments", headers={"Authorization": f"bEARER  {token}"})).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dTpw"}])
async def test_no_bearer_token_gets_a_challenge_without_an_error_code(
    api: web.AsyncClient, headers: dict[str, str]
) -> None:
    """RFC 6750 section 3.1, RFC 9728 section 5.1."""
    response = await api.get("/shipments", headers=headers)
    assert_problem(response, 401)
    assert challenge(response) == {"realm": RESOURCE, "scope": "shipments:read", "resource_metadata": METADATA}
    (_, offered) = response.headers.get_list("WWW-Authenticate")
    assert offered.startswith("DPoP ")  # RFC 9449 section 7.1
    assert 'algs="ES256 PS256 EdDSA Ed25519"' in offered


async def test_invalid_token_is_named_so(api: web.AsyncClient, issuer: FakeIssuer, clock: Clock) -> None:
    expired = issuer.mint("user-1", "shipments:read")
    elsewhere = issuer.mint("user-1", "shipments:read", aud="https://elsewhere.example")
    clock.advance(timedelta(minutes=11))
    for token in (expired, elsewhere, "abc", "a.b.c", issuer.mint_id_token("cli-proj"), "x" * 20_000):
        response = await api.get("/shipments", headers=bearer(token))
        assert_problem(response, 401)
        assert challenge(response)["error"] == "invalid_token"
        assert challenge(response)["resource_metadata"] == METADATA
        assert response.json()["error"] == "invalid_token"


async def test_revoked_token_is_refused(
    api: web.AsyncClient, issuer: FakeIssuer, view: RevocationView, clock: Clock
) -> None:
    token = issuer.mint("user-1", "shipments:read", jti="token-1")
    assert (await api.get("/shipments", headers=bearer(token))).status_code == 200
    fact = TokenRevoked(token_id="token-1", expires_at=clock() + timedelta(minutes=10))
    view.apply(event(fact, source="/auth-svc", now=clock), 2)
    response = await api.get("/shipments", headers=bearer(token))
    assert_problem(response, 401)
    assert challenge(response)["error"] == "invalid_token"


async def test_missing_scope_is_403_and_names_all_scopes(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    """RFC 6750 section 3.1: `insufficient_scope`."""
    response = await api.post("/scans", headers=bearer(issuer.mint("user-1", "shipments:read")))
    assert_problem(response, 403)
    assert challenge(response)["error"] == "insufficient_scope"
    assert challenge(response)["scope"] == "shipments:read shipments:scan"


@pytest.mark.parametrize(
    "claims",
    [
        {"acr": "phr"},
        {"acr": "phr", "auth_time": -307},
        {"auth_time": -10},
        {"acr": "other", "auth_time": -10},
    ],
)
async def test_old_or_other_sign_in_gets_a_challenge_that_says_which_would_do_rfc9470_3(
    api: web.AsyncClient, issuer: FakeIssuer, clock: Clock, claims: dict[str, Any]
) -> None:
    if "auth_time" in claims:
        claims = claims | {"auth_time": int(clock().timestamp()) + claims["auth_time"]}
    response = await api.delete("/shipments", headers=bearer(issuer.mint("user-1", "shipments:read", **claims)))
    assert_problem(response, 401)
    told = challenge(response)
    assert told["error"] == "insufficient_user_authentication"
    assert (told["max_age"], told["acr_values"], told["scope"]) == ("300", "phr phrh", "shipments:read")


async def test_recent_sign_in_of_the_right_kind_gets_in(api: web.AsyncClient, issuer: FakeIssuer, clock: Clock) -> None:
    signed_in = int(clock().timestamp()) - 300
    token = issuer.mint("user-1", "shipments:read", auth_time=signed_in, acr="phrh")
    assert (await api.delete("/shipments", headers=bearer(token))).status_code == 200


async def test_scope_is_asked_for_before_the_sign_in(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    """Nobody should sign in again only to learn that they may not."""
    response = await api.delete("/shipments", headers=bearer(issuer.mint("user-1", "openid")))
    assert_problem(response, 403)


@pytest.mark.parametrize("max_age", [timedelta(), timedelta(seconds=59), timedelta(seconds=90.5)])
def test_max_age_that_nobody_can_meet_is_refused_where_it_is_written(max_age: timedelta) -> None:
    with pytest.raises(ValueError, match="a minute at least"):
        require("shipments:read", max_age=max_age)


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer =", 'Bearer "a"', "Bearer é"]
)
async def test_malformed_header_is_an_invalid_request(api: web.AsyncClient, value: str) -> None:
    response = await api.get("/shipments", headers=[(b"Authorization", value.encode("latin-1"))])
    assert_problem(response, 400)
    assert challenge(response)["error"] == "invalid_request"


async def test_token_in_more_than_one_way_is_an_invalid_request(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    """RFC 6750 section 2: one method a request."""
    token = issuer.mint("user-1", "shipments:read")
    twice = await api.get("/shipments", headers=[("Authorization", f"Bearer {token}")] * 2)
    both = await api.get("/shipments", headers=bearer(token), params={"access_token": token})
    for response in (twice, both):
        assert_problem(response, 400)
        assert challenge(response)["error"] == "invalid_request"


async def test_token_in_the_query_alone_is_ignored(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    """OAuth 2.1 section 5.1: never by query; addresses end up in logs."""
    token = issuer.mint("user-1", "shipments:read")
    response = await api.get("/shipments", params={"access_token": token})
    assert_problem(response, 401)
    assert "error" not in challenge(response)


async def test_what_cannot_be_known_is_503_with_retry_after_and_without_a_challenge(
    api: web.AsyncClient, issuer: FakeIssuer, view: RevocationView
) -> None:
    view.follow(QuietFeed(), lambda: False)
    token = issuer.mint("user-1", "shipments:read")
    issuer.stop()
    response = await api.get("/shipments", headers=bearer(token))
    assert_problem(response, 503)
    assert int(response.headers["Retry-After"]) >= 1
    assert "WWW-Authenticate" not in response.headers


async def test_resource_tells_about_itself(api: web.AsyncClient, issuer: FakeIssuer) -> None:
    """RFC 9728 section 3.2."""
    response = await api.get("/.well-known/oauth-protected-resource")
    assert response.status_code == 200
    assert response.json() == {
        "resource": RESOURCE,
        "authorization_servers": [issuer.url],
        "scopes_supported": ["shipments:read", "shipments:scan"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256", "PS256", "EdDSA", "Ed25519"],
    }
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await api.get("/shipments")).headers


async def test_metadata_of_a_resource_with_a_path_has_the_path_at_its_end(
    issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView
) -> None:
    """RFC 9728 section 3.1."""
    resource = "https://api.example/tracking"
    guard = Guard(issuer=issuer.url, audience=resource, view=view, http=http, client_id="app-svc", client_secret="s")
    app = FastAPI()
    install(app, guard, resource=resource, issuer=issuer.url, scopes=(), name="Tracking")
    app.add_api_route("/x", lambda: None, dependencies=[Depends(require("a"))])
    async with web.client(base_url=resource, transport=web.ASGITransport(app=app)) as client:
        found = challenge(await client.get("https://api.example/x"))["resource_metadata"]
        assert found == "https://api.example/.well-known/oauth-protected-resource/tracking"
        document = (await client.get(found)).json()
        assert (document["resource"], document["resource_name"]) == (resource, "Tracking")
        assert "scopes_supported" not in document  # section 3.2: no empty arrays


async def test_openapi_says_that_a_bearer_token_is_needed(app: FastAPI) -> None:
    document = app.openapi()
    assert document["components"]["securitySchemes"]["access_token"]["scheme"] == "bearer"
    assert document["paths"]["/shipments"]["get"]["security"] == [{"access_token": []}]
    assert "parameters" not in document["paths"]["/shipments"]["get"]
