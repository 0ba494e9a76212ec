"""The FAPI 2.0 Security Profile, kept and broken by a client that others wrote (requests_oauth2client)."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import jwskate
import pytest
import requests
from requests_oauth2client import (
    AuthorizationResponseError,
    BearerToken,
    ClientSecretBasic,
    ClientSecretPost,
    DPoPToken,
    InvalidClient,
    InvalidGrant,
    OAuth2Client,
    PrivateKeyJwt,
    UnauthorizedClient,
)

SCOPE = "openid offline_access shipments:read"


def bank(installation: Any, session: requests.Session, auth: Any = None) -> OAuth2Client:
    """The client, with everything but its keys from the metadata; `aud` is the issuer, as the profile wants it."""
    auth = auth or PrivateKeyJwt("bank", installation.bank_key, aud=installation.issuer)
    return OAuth2Client.from_discovery_endpoint(
        issuer=installation.issuer,
        auth=auth,
        redirect_uri=installation.redirect_uri,
        session=session,
        dpop_bound_access_tokens=True,
        id_token_signed_response_alg="PS256",
        testing=True,  # the issuer is http://127.0.0.1
    )


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


@pytest.fixture
def client(installation: Any, session: requests.Session) -> OAuth2Client:
    return bank(installation, session)


def signed_in(client: OAuth2Client, browser: Any, *, dpop: bool = True) -> BearerToken:
    request = client.authorization_request(scope=SCOPE, dpop=dpop)
    pushed = client.pushed_authorization_request(request)
    response = request.validate_callback(browser.walk(pushed.uri))  # checks state and iss
    # Not validated by the library: version 1.8 cannot copy a token with a key, which it does for that.
    return client.authorization_code(response, dpop=True, validate=False)


def test_par_private_key_jwt_pkce_and_dpop_give_bound_tokens_fapi2_5_3_2(client: OAuth2Client, browser: Any) -> None:
    tokens = signed_in(client, browser)
    assert isinstance(tokens, DPoPToken)
    assert tokens.id_token is not None
    assert tokens.id_token.alg == "PS256"  # section 5.4.1
    claims = jwskate.SignedJwt(tokens.access_token).claims
    assert claims["cnf"]["jkt"] == tokens.dpop_key.dpop_jkt  # RFC 9449 section 6.1
    told = requests.get(str(client.userinfo_endpoint), auth=tokens, timeout=30)
    if told.status_code == 401:  # the library keeps the nonce of the refusal, and leaves the retry to its caller
        told = requests.get(str(client.userinfo_endpoint), auth=tokens, timeout=30)
    assert told.json()["sub"] == tokens.id_token.sub


def test_code_may_be_bound_at_the_token_request_only_fapi2_5_3_2_1(client: OAuth2Client, browser: Any) -> None:
    assert isinstance(signed_in(client, browser, dpop=False), DPoPToken)


def test_bound_token_is_worth_nothing_as_a_bearer_token_rfc9449_7_2(client: OAuth2Client, browser: Any) -> None:
    tokens = signed_in(client, browser)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    assert requests.get(str(client.userinfo_endpoint), headers=headers, timeout=30).status_code == 401


def test_refresh_token_does_not_rotate_fapi2_5_3_2_1(client: OAuth2Client, browser: Any) -> None:
    tokens = signed_in(client, browser)
    for _ in range(2):
        refreshed = client.refresh_token(tokens)
        assert refreshed.refresh_token in {None, tokens.refresh_token}
        assert refreshed.access_token != tokens.access_token


def test_tokens_that_are_not_bound_are_not_given_fapi2_5_3_2_1(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE)
    response = request.validate_callback(browser.walk(client.pushed_authorization_request(request).uri))
    form = {"grant_type": "authorization_code", "code": response.code, "code_verifier": response.code_verifier}
    answer = requests.post(
        str(client.token_endpoint),
        data=form | {"redirect_uri": str(response.redirect_uri)},
        auth=client.auth,
        timeout=30,
    )
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_dpop_proof", "use_dpop_nonce", "invalid_request"}


def test_request_that_was_not_pushed_is_refused_fapi2_5_3_2_2(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE)
    with pytest.raises(AuthorizationResponseError) as refused:
        request.validate_callback(browser.walk(request.uri))
    assert refused.value.error == "invalid_request"


def test_pushed_request_without_authentication_is_refused_fapi2_5_3_2_2(client: OAuth2Client) -> None:
    request = client.authorization_request(scope=SCOPE)
    answer = requests.post(str(client.pushed_authorization_request_endpoint), data=request.args, timeout=30)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_pushed_request_without_s256_is_refused_fapi2_5_3_2_2(client: OAuth2Client) -> None:
    request = client.authorization_request(scope=SCOPE)
    for changed in ({"code_challenge_method": "plain"}, {"code_challenge": "", "code_challenge_method": ""}):
        answer = requests.post(
            str(client.pushed_authorization_request_endpoint),
            data={"client_id": "bank"} | request.args | changed,
            auth=client.auth,
            timeout=30,
        )
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_request_uri_is_used_once_rfc9126_4(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE)
    pushed = client.pushed_authorization_request(request)
    request.validate_callback(browser.walk(pushed.uri))
    with pytest.raises(AssertionError, match=r"(?i)used|expired|start again"):
        browser.walk(pushed.uri)


def test_assertion_for_the_token_endpoint_is_refused_fapi2_5_3_2_1(
    installation: Any, session: requests.Session
) -> None:
    auth = PrivateKeyJwt("bank", installation.bank_key, aud=f"{installation.issuer}/token")
    other = bank(installation, session, auth)
    with pytest.raises((InvalidClient, UnauthorizedClient)):
        other.pushed_authorization_request(other.authorization_request(scope=SCOPE))


def test_secret_is_no_proof_fapi2_5_3_2_1(installation: Any, session: requests.Session) -> None:
    other = bank(installation, session, ClientSecretPost("bank", installation.client_secret))
    with pytest.raises((InvalidClient, UnauthorizedClient)):
        other.pushed_authorization_request(other.authorization_request(scope=SCOPE))


def test_code_of_another_client_is_refused_oauth21_4_1_3(client: OAuth2Client, installation: Any, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE, dpop=True)
    response = request.validate_callback(browser.walk(client.pushed_authorization_request(request).uri))
    thief = OAuth2Client(
        token_endpoint=str(client.token_endpoint),
        auth=ClientSecretBasic(installation.client_id, installation.client_secret),
        testing=True,
    )
    with pytest.raises(InvalidGrant):
        thief.authorization_code(
            response.code, code_verifier=response.code_verifier, redirect_uri=response.redirect_uri, dpop=True
        )


def test_parameters_beside_a_pushed_request_change_nothing_rfc9101_6_3(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope=SCOPE, dpop=True)
    pushed = client.pushed_authorization_request(request)
    more = urlencode({"scope": "openid", "redirect_uri": "https://evil.example/", "state": "other"})
    response = request.validate_callback(browser.walk(f"{pushed.uri}&{more}"))
    assert client.authorization_code(response, validate=False).scope == SCOPE
