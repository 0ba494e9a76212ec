"""Authlib's OAuth 2 client and its OpenID client for Starlette, against a running auth-svc and its real pages."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from starlette.requests import Request

with warnings.catch_warnings(record=True):  # it speaks of its next HTTP client at each import
    from authlib.integrations.starlette_client import OAuth, OAuthError

VERIFIER = "a-code-verifier-with-more-than-forty-three-characters"


@pytest.fixture
def metadata(installation: Any) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(installation.discovery, timeout=30).json()
    return found


@pytest.fixture
def session(installation: Any, metadata: dict[str, Any]) -> Iterator[OAuth2Session]:
    """The OAuth 2 client: no OpenID, the application does PKCE and looks after its tokens."""
    with OAuth2Session(
        installation.client_id,
        installation.client_secret,
        scope="offline_access shipments:read",
        redirect_uri=installation.redirect_uri,
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
        revocation_endpoint_auth_method="client_secret_basic",
    ) as session:
        yield session


def signed_in(session: OAuth2Session, metadata: dict[str, Any], browser: Any) -> dict[str, Any]:
    url, state = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=VERIFIER)
    back = browser.walk(url)
    found: dict[str, Any] = session.fetch_token(authorization_response=back, state=state, code_verifier=VERIFIER)
    return found


def test_oauth_session_gets_and_refreshes_tokens_oauth21_4_1(
    session: OAuth2Session, metadata: dict[str, Any], browser: Any
) -> None:
    tokens = signed_in(session, metadata, browser)
    assert tokens["token_type"] == "Bearer"
    assert "id_token" not in tokens
    refreshed = session.refresh_token()
    assert refreshed["access_token"] != tokens["access_token"]
    answer = session.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"])
    assert answer.json()["active"] is True
    assert session.revoke_token(metadata["revocation_endpoint"], token=refreshed["access_token"]).status_code == 200
    answer = session.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"])
    assert answer.json() == {"active": False}


def test_client_credentials_rfc6749_4_4(installation: Any, metadata: dict[str, Any]) -> None:
    with OAuth2Session(installation.client_id, installation.client_secret, scope="shipments:read") as machine:
        token = machine.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["scope"] == "shipments:read"


@pytest.fixture
def app(installation: Any) -> Any:
    """The OpenID client that web applications use: it finds everything by discovery and validates the ID token."""
    oauth = OAuth()
    return oauth.register(
        "house",
        client_id=installation.client_id,
        client_secret=installation.client_secret,
        server_metadata_url=installation.discovery,
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )


def request_of(session: dict[str, Any], url: str = "https://rp.example/callback") -> Request:
    """A request to the application, with its session."""
    query = url.partition("?")[2].encode()
    scope = {"type": "http", "method": "GET", "path": "/callback", "query_string": query, "headers": []}
    return Request({**scope, "session": session})


async def test_openid_client_signs_somebody_in_oidc_core_3_1(app: Any, installation: Any, browser: Any) -> None:
    kept: dict[str, Any] = {}
    leaving = await app.authorize_redirect(request_of(kept), installation.redirect_uri)
    back = browser.walk(leaving.headers["location"])
    tokens = await app.authorize_access_token(request_of(kept, back))
    claims = tokens["userinfo"]
    assert claims["iss"] == installation.issuer
    assert claims["aud"] == installation.client_id
    assert {"nonce", "at_hash", "auth_time", "sid"} <= set(claims)
    told = await app.userinfo(token=tokens)
    assert told["sub"] == claims["sub"]
    assert told["name"] == "Clara Clerk"


@pytest.mark.parametrize(("prompt", "error"), [("none", "login_required"), ("consent", "access_denied")])
async def test_openid_client_is_told_of_a_refusal_oidc_core_3_1_2_6(
    app: Any, installation: Any, browser: Any, prompt: str, error: str
) -> None:
    kept: dict[str, Any] = {}
    leaving = await app.authorize_redirect(request_of(kept), installation.redirect_uri, prompt=prompt)
    back = browser.walk(leaving.headers["location"], decision="deny")
    with pytest.raises(OAuthError, match=error):
        await app.authorize_access_token(request_of(kept, back))
