"""Signed and pushed requests, backchannel authentication and token exchange, asked for by requests_oauth2client."""

from collections.abc import Iterator
from typing import Any

import jwskate
import pytest
import requests
from requests_oauth2client import (
    AuthorizationPending,
    AuthorizationResponseError,
    InvalidScope,
    OAuth2Client,
    PrivateKeyJwt,
    TokenEndpointError,
)

SCOPE = "openid shipments:read"


@pytest.fixture
def client(installation: Any) -> Iterator[OAuth2Client]:
    """A confidential client with a key, found by the metadata but for what the library does not read there."""
    with requests.Session() as session:
        yield OAuth2Client.from_discovery_endpoint(
            issuer=installation.issuer,
            auth=PrivateKeyJwt("all-round", installation.all_round_key, aud=installation.issuer),
            redirect_uri=installation.redirect_uri,
            backchannel_authentication_endpoint=f"{installation.issuer}/backchannel_authentication",
            id_token_signed_response_alg="ES256",
            session=session,
            testing=True,  # the issuer is http://127.0.0.1
        )


def test_signed_request_is_answered_rfc9101_4(client: OAuth2Client, browser: Any, installation: Any) -> None:
    request = client.authorization_request(scope=SCOPE)
    signed = request.sign(installation.all_round_key, lifetime=60, aud=installation.issuer)
    response = request.validate_callback(browser.walk(signed.uri))
    assert client.authorization_code(response, validate=True).scope == SCOPE


def test_request_that_somebody_else_signed_is_refused_rfc9101_6_2(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE)
    forged = request.sign(jwskate.Jwk.generate(alg="ES256").with_kid_thumbprint(), lifetime=60, aud=client.issuer)
    back = browser.walk(forged.uri)  # to the one address that the client has registered; nothing inside is believed
    assert "error=invalid_request_object" in back
    assert "state=" not in back


def test_pushed_request_is_answered_once_rfc9126_4(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE)
    pushed = client.pushed_authorization_request(request)
    response = request.validate_callback(browser.walk(pushed.uri))
    assert client.authorization_code(response, validate=True).scope == SCOPE
    assert browser.http.get(pushed.uri).status_code == 400


def test_signed_answer_is_of_the_issuer_and_for_the_client_jarm_2_4(
    client: OAuth2Client, browser: Any, installation: Any
) -> None:
    request = client.authorization_request(scope=SCOPE, response_mode="jwt")
    back = browser.walk(request.uri)
    answer = jwskate.SignedJwt(back.partition("response=")[2])
    keys = jwskate.JwkSet(requests.get(str(client.jwks_uri), timeout=30).json())
    assert answer.verify_signature(keys, alg=answer.alg)
    assert (answer.issuer, answer.audiences) == (installation.issuer, ["all-round"])
    assert answer.claims["state"] == request.state
    assert answer.claims["code"]


def test_unmet_authentication_is_told_rfc9470_5(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE, acr_values="phr")
    with pytest.raises(AuthorizationResponseError) as refused:
        request.validate_callback(browser.walk(request.uri))
    assert refused.value.error == "unmet_authentication_requirements"


def test_backchannel_authentication_waits_for_the_person_ciba_7(client: OAuth2Client, browser: Any) -> None:
    waiting = client.backchannel_authentication_request(scope=SCOPE, login_hint="clara", binding_message="Order 7")
    with pytest.raises(AuthorizationPending):
        client.ciba(waiting)
    assert "Order 7" in browser.allow_waiting()
    tokens = client.ciba(waiting)
    assert tokens.scope == SCOPE
    assert tokens.id_token is not None
    with pytest.raises(TokenEndpointError):
        client.ciba(waiting)


def test_exchanged_token_is_narrower_and_says_who_acts_rfc8693_2(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=f"{SCOPE} shipments:write")
    tokens = client.authorization_code(request.validate_callback(browser.walk(request.uri)))
    exchanged = client.token_exchange(subject_token=tokens, scope="shipments:read")
    assert exchanged.scope == "shipments:read"
    assert exchanged.refresh_token is None
    before, after = (jwskate.SignedJwt(token.access_token).claims for token in (tokens, exchanged))
    assert after["sub"] == before["sub"]
    assert after["exp"] <= before["exp"]
    with pytest.raises(InvalidScope):
        client.token_exchange(subject_token=exchanged, scope="shipments:write")
