"""Signed introspection (RFC 9701) and signed userinfo (OIDC Core section 5.3.2), checked with another library."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.testing import SECRET, House

ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
SIGNED = "application/token-introspection+jwt"


async def verified(house: House, text: str) -> jwt.Token:
    keys = KeySet.import_key_set((await house.http.get("/jwks")).json())
    return jwt.decode(text, keys, algorithms=ALGORITHMS)


async def introspect(house: House, token: str, *, accept: str, client: str = "app-svc", note: str = "") -> Any:
    headers = house.basic(client) | {"accept": accept, "x-note": note}
    return await house.http.post("/introspect", data={"token": token}, headers=headers)


async def register(house: House, **metadata: Any) -> None:
    client = NewClient(client_name="RP", **metadata)
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, client))


@pytest.mark.parametrize("accept", [SIGNED, f"application/json;q=0.5, {SIGNED.upper()};q=0.9"])
async def test_introspection_is_signed_for_who_accepts_it_rfc9701_5(house: House, accept: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    answer = await introspect(house, token, accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, SIGNED)
    assert answer.headers["cache-control"] == "no-store"
    found = await verified(house, answer.text)
    assert found.header["typ"] == "token-introspection+jwt"
    assert found.claims.keys() == {"iss", "aud", "iat", "token_introspection"}  # no sub, no exp
    assert found.claims["iss"] == house.issuer
    assert found.claims["aud"] == house.resource
    assert found.claims["iat"] == int(house.clock().timestamp())
    plain = await introspect(house, token, accept="application/json", note=accept)
    assert plain.headers["content-type"] == "application/json"
    assert found.claims["token_introspection"] == plain.json()


async def test_nothing_but_inactive_is_said_of_other_tokens_rfc9701_5(house: House) -> None:
    for token in ("unknown", (await house.tokens("clara", scope="openid"))["access_token"]):
        found = await verified(house, (await introspect(house, token, accept=SIGNED)).text)
        assert found.claims["token_introspection"] == {"active": False}


async def test_signed_introspection_is_no_access_token_rfc9701_8_1(house: House) -> None:
    token = (await house.tokens("clara"))["access_token"]
    signed = (await introspect(house, token, accept=SIGNED)).text
    assert (await house.http.get("/userinfo", headers={"authorization": f"Bearer {signed}"})).status_code == 401
    assert not await house.active(signed)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_introspection_is_signed_as_the_client_registered_rfc9701_6(house: House, algorithm: str) -> None:
    await register(house, client_id="rs", secret=SECRET, introspection_signed_response_alg=algorithm)
    found = await verified(house, (await introspect(house, "unknown", accept=SIGNED, client="rs")).text)
    assert (found.header["alg"], found.claims["aud"]) == (algorithm, "rs")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_userinfo_is_signed_as_the_client_registered_oidc_5_3_2(house: House, algorithm: str) -> None:
    await register(
        house,
        client_id="relying-party",
        token_endpoint_auth_method="none",
        grant_types=("authorization_code",),
        scope="openid profile",
        redirect_uris=("https://rp.example/cb",),
        userinfo_signed_response_alg=algorithm,
    )
    tokens = await house.tokens("erin", client="relying-party", scope="openid profile")
    answer = await house.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jwt")
    assert answer.headers["cache-control"] == "no-store"
    found = await verified(house, answer.text)
    assert found.header["alg"] == algorithm
    assert found.claims["iss"] == house.issuer
    assert found.claims["aud"] == "relying-party"
    assert found.claims["sub"] == house.claims(tokens["id_token"])["sub"]
    assert found.claims["preferred_username"] == "erin"


async def test_refusals_of_userinfo_stay_challenges_oidc_5_3_3(house: House) -> None:
    answer = await house.http.get("/userinfo", headers={"authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("name", ["userinfo_signed_response_alg", "introspection_signed_response_alg"])
@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_no_other_algorithm_can_be_registered_rfc9701_6(house: House, name: str, algorithm: str) -> None:
    with pytest.raises(RegistrationError, match="unknown algorithm"):
        await register(house, client_id="rs", secret=SECRET, **{name: algorithm})


async def test_metadata_list_the_algorithms_rfc9701_7(house: House) -> None:
    document = (await house.http.get("/.well-known/openid-configuration")).json()
    for name in ("userinfo", "introspection"):
        assert set(document[f"{name}_signing_alg_values_supported"]) == set(ALGORITHMS)
