"""The mint: access tokens of RFC 9068 and ID tokens of OIDC Core, checked with another library."""

import base64
import hashlib

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from auth_svc.clients import NewClient
from auth_svc.testing import House

ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]


async def keys(house: House) -> KeySet:
    return KeySet.import_key_set((await house.http.get("/jwks")).json())


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_access_token_is_an_rfc9068_jwt(house: House) -> None:
    tokens = await house.tokens("clara", scope="openid shipments:read shipments:scan")
    found = jwt.decode(tokens["access_token"], await keys(house), algorithms=ALGORITHMS)
    assert found.header["typ"] == "at+jwt"
    assert found.header["alg"] == "ES256"
    claims = found.claims
    assert claims["aud"] == [house.resource, house.issuer]
    assert claims["roles"] == ["clerk"]
    assert claims["amr"] == ["pwd"]
    assert claims["auth_time"] == int(house.clock().timestamp())
    assert claims.keys() == {
        "iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope", "sid", "grant_id", "auth_time", "amr", "roles"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        ("shipments:read", "resource"),
        ("profile offline_access", "resource"),
        ("openid", "issuer"),
        ("openid email", "issuer"),
        ("openid shipments:read", "both"),
    ],
)
async def test_audience_follows_from_the_scope_rfc9068_3(house: House, scope: str, audience: str) -> None:
    expected = {"resource": house.resource, "issuer": house.issuer, "both": [house.resource, house.issuer]}
    tokens = await house.tokens("otto", scope=scope)
    assert house.claims(tokens["access_token"])["aud"] == expected[audience]


async def test_consented_resource_narrows_audience_and_scope_rfc8707_2_2(house: House) -> None:
    for resource, scope in ((house.resource, "openid shipments:read"), (house.issuer, "openid")):
        tokens = await house.tokens("otto", scope="openid shipments:read", resource=(resource,))
        claims = house.claims(tokens["access_token"])
        assert claims["aud"] == resource
        assert claims["scope"] == tokens["scope"] == scope


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_id_token_is_signed_as_the_client_registered_oidc_2(house: House, algorithm: str) -> None:
    metadata = NewClient(
        client_id="relying-party",
        client_name="RP",
        token_endpoint_auth_method="none",
        grant_types=("authorization_code",),
        scope="openid",
        redirect_uris=("https://rp.example/cb",),
        id_token_signed_response_alg=algorithm,
    )
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, metadata))
    tokens = await house.tokens("erin", client="relying-party", scope="openid", nonce="n-0S6")
    found = jwt.decode(tokens["id_token"], await keys(house), algorithms=ALGORITHMS)
    assert found.header["alg"] == algorithm
    assert found.header["typ"] == "JWT"
    assert found.claims["aud"] == "relying-party"
    assert found.claims["nonce"] == "n-0S6"
    assert found.claims["iss"] == house.issuer
    assert found.claims["sid"] == house.claims(tokens["access_token"])["sid"]
    digest = {"EdDSA": hashlib.sha512}.get(algorithm, hashlib.sha256)(tokens["access_token"].encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert found.claims["at_hash"] == half


async def test_id_token_never_passes_as_an_access_token_rfc9068_5(house: House) -> None:
    tokens = await house.tokens("clara", scope="openid")
    answer = await house.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['id_token']}"})
    assert answer.status_code == 401
    assert not await house.active(tokens["id_token"])
