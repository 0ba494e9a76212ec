"""requests_oauth2client, which shares no code with this house, against a running auth-svc and its real pages."""

from collections.abc import Iterator
from typing import Any

import jwskate
import pytest
import requests
from requests_oauth2client import (
    AuthorizationPending,
    BearerToken,
    ClientSecretBasic,
    InvalidGrant,
    LoginRequired,
    OAuth2Client,
    OAuth2ClientCredentialsAuth,
)


@pytest.fixture
def client(installation: Any) -> Iterator[OAuth2Client]:
    """A confidential client that found everything by the issuer's metadata (OIDC Discovery section 4)."""
    with requests.Session() as session:
        yield OAuth2Client.from_discovery_endpoint(
            issuer=installation.issuer,
            auth=ClientSecretBasic(installation.client_id, installation.client_secret),
            device_authorization_endpoint=f"{installation.issuer}/device_authorization",
            redirect_uri=installation.redirect_uri,
            session=session,
            testing=True,  # the issuer is http://127.0.0.1
        )


def signed_in(client: OAuth2Client, browser: Any, **parameters: Any) -> BearerToken:
    """Tokens of the code flow; the library checks state, iss, nonce, the ID token and its signature."""
    request = client.authorization_request(scope="openid profile email offline_access shipments:read", **parameters)
    response = request.validate_callback(browser.walk(request.uri))
    return client.authorization_code(response, validate=True)


def test_metadata_is_a_valid_discovery_document_oidc_discovery_4_3(client: OAuth2Client, installation: Any) -> None:
    assert client.issuer == installation.issuer
    assert client.authorization_response_iss_parameter_supported is True
    assert client.token_endpoint == f"{installation.issuer}/token"


def test_code_flow_with_pkce_nonce_and_iss_oidc_core_3_1(client: OAuth2Client, browser: Any) -> None:
    tokens = signed_in(client, browser)
    assert tokens.id_token is not None
    assert tokens.id_token.alg == "RS256"
    assert tokens.id_token.auth_time is not None
    access_token = tokens.access_token_jwt
    assert isinstance(access_token, jwskate.SignedJwt)
    assert (access_token.typ, access_token.alg) == ("at+jwt", "ES256")  # RFC 9068 section 2.1
    keys = jwskate.JwkSet(requests.get(str(client.jwks_uri), timeout=30).json())
    assert access_token.verify_signature(keys, alg="ES256")


def test_userinfo_has_the_subject_of_the_id_token_oidc_core_5_3_2(client: OAuth2Client, browser: Any) -> None:
    tokens = signed_in(client, browser)
    told = client.userinfo(tokens)
    assert tokens.id_token is not None
    assert told["sub"] == tokens.id_token.sub
    assert told["email"] == "clara@example.com"


def test_refresh_keeps_the_sign_in_and_introspection_knows_the_tokens_oidc_core_12_2(
    client: OAuth2Client, browser: Any
) -> None:
    tokens = signed_in(client, browser)
    refreshed = client.refresh_token(tokens)
    assert refreshed.access_token != tokens.access_token
    assert tokens.id_token is not None
    again = jwskate.SignedJwt(str(refreshed.id_token))
    assert again.subject == tokens.id_token.sub
    assert again.claims["auth_time"] == tokens.id_token.claims["auth_time"]
    assert "nonce" not in again.claims
    assert client.introspect_token(refreshed.access_token)["active"] is True


def test_revoked_token_is_inactive_and_cannot_be_refreshed_rfc7009_2_1(client: OAuth2Client, browser: Any) -> None:
    tokens = signed_in(client, browser)
    assert client.revoke_refresh_token(tokens) is True
    assert client.introspect_token(tokens) == {"active": False}
    with pytest.raises(InvalidGrant):
        client.refresh_token(tokens)


def test_code_is_good_once_oauth21_4_1_3(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope="openid shipments:read")
    response = request.validate_callback(browser.walk(request.uri))
    tokens = client.authorization_code(response)
    with pytest.raises(InvalidGrant):
        client.authorization_code(response)
    assert client.introspect_token(tokens) == {"active": False}


def test_prompt_none_without_a_session_is_login_required_oidc_core_3_1_2_6(client: OAuth2Client, browser: Any) -> None:
    request = client.authorization_request(scope="openid", prompt="none")
    with pytest.raises(LoginRequired):
        request.validate_callback(browser.walk(request.uri))


def test_max_age_and_acr_values_are_kept_oidc_core_3_1_2_1(client: OAuth2Client, browser: Any) -> None:
    (context,) = requests.get(f"{client.issuer}/.well-known/openid-configuration", timeout=30).json()[
        "acr_values_supported"
    ]
    tokens = signed_in(client, browser, max_age=0, acr_values=context)
    assert tokens.id_token is not None
    assert tokens.id_token.acr == context


def test_client_credentials_open_a_resource_rfc6749_4_4(client: OAuth2Client) -> None:
    token = client.client_credentials(scope="shipments:read")
    assert (token.scope, token.token_type) == ("shipments:read", "Bearer")
    assert token.refresh_token is None
    request = requests.Request("GET", "http://api.example/").prepare()
    assert OAuth2ClientCredentialsAuth(client, scope="shipments:read")(request).headers["Authorization"]


def test_device_flow_polls_until_the_person_says_yes_rfc8628_3(client: OAuth2Client, browser: Any) -> None:
    device = client.authorize_device(scope="openid shipments:read")
    with pytest.raises(AuthorizationPending):
        client.device_code(device)
    browser.approve_device(device.user_code)
    tokens = client.device_code(device)
    assert tokens.scope == "openid shipments:read"
