"""The client at its issuer: requests, answers that are none, refusals with advice, ID tokens."""

from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest

from lib_one import http as web
from lib_one.testing import Clock
from lib_two import id_token
from lib_two.errors import IssuerUnavailable, OAuthError
from lib_two.oauth_client import OAuthClient
from lib_two.testing import FakeIssuer


@pytest.fixture
async def client(issuer: FakeIssuer, clock: Clock) -> AsyncIterator[OAuthClient]:
    async with OAuthClient(issuer.url, "cli-proj", now=clock) as client:
        yield client


def scripted(answer: dict[str, Any] | str, status: int = 200) -> tuple[OAuthClient, list[web.Request]]:
    """A client whose issuer gives one and the same answer, and what it was asked."""
    asked: list[web.Request] = []
    issuer = "https://issuer.example"

    def respond(request: web.Request) -> web.Response:
        if "well-known" in request.url.path:
            return web.Response(200, json={"issuer": issuer, "token_endpoint": f"{issuer}/token"})
        asked.append(request)
        return web.Response(status, **({"json": answer} if isinstance(answer, dict) else {"text": answer}))

    http = web.client(transport=web.MockTransport(respond))
    return OAuthClient(issuer, "cli ent:1", client_secret="pass word:%", http=http), asked


async def test_refresh_gives_fresh_tokens_and_uses_up_the_old(
    client: OAuthClient, issuer: FakeIssuer, clock: Clock
) -> None:
    old = issuer.refresh_token("cli-proj", "openid shipments:read")
    tokens = await client.refresh(old)
    assert tokens.refresh_token not in (None, old)
    assert tokens.expires_at == clock() + timedelta(minutes=10)
    assert tokens.scope == "openid shipments:read"
    with pytest.raises(OAuthError) as caught:
        await client.refresh(old)
    assert caught.value.code == "invalid_grant"
    assert "Sign in again" in str(caught.value)


async def test_refresh_token_that_is_not_rotated_is_kept(client: OAuthClient, issuer: FakeIssuer) -> None:
    """RFC 6749 section 6: a new refresh token is optional."""
    issuer.rotate = False
    old = issuer.refresh_token("cli-proj", "shipments:read")
    assert (await client.refresh(old)).refresh_token == old
    assert (await client.refresh(old)).refresh_token == old


async def test_client_credentials_authenticate_with_basic(issuer: FakeIssuer) -> None:
    async with OAuthClient(issuer.url, "simulator", client_secret="simulator-secret") as client:
        tokens = await client.client_credentials("shipments:scan")
    assert tokens.refresh_token is None
    claims = issuer.signer.read(tokens.access_token)
    assert claims is not None
    assert claims["sub"] == "simulator"


async def test_wrong_secret_is_told_with_advice(issuer: FakeIssuer) -> None:
    async with OAuthClient(issuer.url, "simulator", client_secret="wrong") as client:
        with pytest.raises(OAuthError, match="Check the client's id and secret") as caught:
            await client.client_credentials("shipments:scan")
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)


async def test_id_and_secret_are_form_encoded_before_basic() -> None:
    """RFC 6749 section 2.3.1."""
    client, asked = scripted({"access_token": "t", "token_type": "bearer", "expires_in": 1})
    await client.client_credentials("a")
    pair = b64decode(asked[0].headers["Authorization"].removeprefix("Basic ")).decode()
    client_id, secret = pair.split(":")
    assert (unquote_plus(client_id), unquote_plus(secret)) == ("cli ent:1", "pass word:%")
    assert "client_id" not in parse_qs(asked[0].content.decode())


async def test_public_client_names_itself_in_the_form(client: OAuthClient, issuer: FakeIssuer) -> None:
    tokens = await client.refresh(issuer.refresh_token("cli-proj", "shipments:read"))
    assert tokens.access_token


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": 1, "token_type": "Bearer"},
        {"access_token": "t"},
        {"access_token": "t", "token_type": "DPoP"},
        {"access_token": "t", "token_type": "Bearer", "expires_in": "soon"},
        {"access_token": "t", "token_type": "Bearer", "expires_in": -1},
        {"access_token": "t", "token_type": "Bearer", "expires_in": True},
        {"access_token": "t", "token_type": "Bearer", "expires_in": 1e12},
        {"access_token": "t", "token_type": "Bearer", "scope": ["a"]},
        {"access_token": "t", "token_type": "Bearer", "refresh_token": 5},
        {"access_token": "t", "token_type": "Bearer", "id_token": {}},
        "<html>",
        "[]",
    ],
)
async def test_answer_that_is_no_token_response_is_not_taken(answer: dict[str, Any] | str) -> None:
    """RFC 6749 section 5.1."""
    client, _ = scripted(answer)
    with pytest.raises(IssuerUnavailable):
        await client.client_credentials("a")


async def test_scope_that_was_not_changed_may_be_left_out() -> None:
    """RFC 6749 section 5.1: `scope` is optional if it is what was asked for."""
    client, _ = scripted({"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    assert (await client.client_credentials("a b")).scope == "a b"


@pytest.mark.parametrize(("status", "body"), [(500, {"error": "x"}), (502, "bad gateway"), (400, "?"), (302, "")])
async def test_faults_of_the_issuer_are_no_refusals(status: int, body: dict[str, Any] | str) -> None:
    client, _ = scripted(body, status)
    with pytest.raises(IssuerUnavailable):
        await client.client_credentials("a")


async def test_unknown_refusal_keeps_its_code_and_words() -> None:
    client, _ = scripted({"error": "odd_error", "error_description": "Because."}, 400)
    with pytest.raises(OAuthError, match="Because") as caught:
        await client.client_credentials("a")
    assert caught.value.code == "odd_error"


async def test_issuer_that_is_away_is_told_apart(client: OAuthClient, issuer: FakeIssuer) -> None:
    issuer.stop()
    with pytest.raises(IssuerUnavailable):
        await client.refresh("r")


async def test_userinfo_and_revocation(client: OAuthClient, issuer: FakeIssuer) -> None:
    token = issuer.mint("user-1", "openid")
    assert await client.userinfo(token) == {"sub": "user-1"}
    await client.revoke(token, hint="access_token")
    with pytest.raises(OAuthError):
        await client.userinfo(token)


ACCESS = "access-token"


async def check(client: OAuthClient, token: str, nonce: str | None = "n") -> dict[str, Any]:
    return await id_token.validate(
        token, metadata=client.metadata, client_id="cli-proj", access_token=ACCESS, nonce=nonce
    )


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "Ed25519"])
async def test_id_token_is_taken_with_each_algorithm(client: OAuthClient, issuer: FakeIssuer, algorithm: str) -> None:
    issuer.signer.add_key(algorithm)
    claims = await check(client, issuer.mint_id_token("cli-proj", access_token=ACCESS, nonce="n"))
    assert claims["sub"] == issuer.subject


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "gui-proj"},
        {"aud": ["cli-proj", "gui-proj"]},
        {"aud": ["cli-proj", "gui-proj"], "azp": "gui-proj"},
        {"azp": "gui-proj"},
        {"exp": 1000},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"iat": None},
        {"sub": None},
        {"sub": 5},
        {"nonce": "other"},
        {"nonce": None},
        {"at_hash": "AAAA"},
        {"at_hash": [1, 2]},
    ],
)
async def test_id_token_for_others_or_of_others_is_refused(
    client: OAuthClient, issuer: FakeIssuer, claims: dict[str, Any]
) -> None:
    """OpenID Connect Core section 3.1.3.7."""
    with pytest.raises(OAuthError, match="ID token"):
        await check(client, issuer.mint_id_token("cli-proj", **{"access_token": ACCESS, "nonce": "n", **claims}))


async def test_id_token_with_a_wrong_signature_is_refused(client: OAuthClient, issuer: FakeIssuer) -> None:
    good = issuer.mint_id_token("cli-proj", access_token=ACCESS, nonce="n")
    head, body, signature = good.split(".")
    none = "eyJhbGciOiJub25lIiwia2lkIjoia2V5LTEifQ"
    flipped = ("A" if signature[3] != "A" else "B").join((signature[:3], signature[4:]))
    for forged in (f"{head}.{body}.{flipped}", f"{none}.{body}.", "", "a.b.c", "é.é.é", "x" * 300_000):
        with pytest.raises(OAuthError, match="ID token"):
            await check(client, forged)


async def test_id_token_without_at_hash_is_taken(client: OAuthClient, issuer: FakeIssuer) -> None:
    """OpenID Connect Core section 3.1.3.6: optional in the code flow."""
    assert await check(client, issuer.mint_id_token("cli-proj", nonce="n"))


async def test_id_token_that_was_asked_for_and_is_missing_is_refused() -> None:
    client, _ = scripted({"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    with pytest.raises(OAuthError, match="no ID token"):
        await client.exchange_code("c", redirect_uri="http://127.0.0.1/callback", code_verifier="v", nonce="n")
