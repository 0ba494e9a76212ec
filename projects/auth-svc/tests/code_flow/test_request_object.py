"""Signed requests (RFC 9101, OIDC Core section 6.1, FAPI 2.0 Message Signing section 5.3.1)."""

import base64
import hmac
import warnings
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwk, jws
from joserfc.errors import SecurityWarning

from auth_svc.clients import NewClient
from auth_svc.protocol import AUTHORIZATION_CODE
from auth_svc.testing import CHALLENGE, House, Person

KEYS: dict[str, Any] = {
    "ES256": jwk.ECKey.generate_key("P-256", {"kid": "ec"}),
    "RS256": jwk.RSAKey.generate_key(2048, {"kid": "rsa"}),
    "PS256": jwk.RSAKey.generate_key(2048, {"kid": "pss"}),
    "EdDSA": jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}
OTHER = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
CALLBACK = "https://bank.example/callback"


@dataclass
class Bank:
    """A client that signs its requests."""

    house: House
    person: Person

    async def register(self, **changes: Any) -> None:
        usual: dict[str, Any] = {
            "client_id": "bank",
            "client_name": "Bank",
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": (AUTHORIZATION_CODE,),
            "scope": "openid email shipments:read",
            "redirect_uris": (CALLBACK, "https://bank.example/other"),
            "jwks": {"keys": [dict(key.as_dict(private=False)) for key in KEYS.values()]},
        }
        new = NewClient(**(usual | changes))
        await self.house.app.ledger.database.work(lambda c: self.house.app.registration.ensure(c, new))
        self.house.app.clients.forget("bank")

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.house.clock().timestamp())
        usual = {
            "iss": "bank",
            "aud": self.house.issuer,
            "nbf": now,
            "exp": now + 300,
            "client_id": "bank",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid shipments:read",
            "state": "signed state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def sign(self, claims: Any = None, algorithm: str = "ES256", *, key: Any = None, **header: Any) -> str:
        key = key or KEYS[algorithm]
        protected = {"alg": algorithm, "kid": key.kid, "typ": "oauth-authz-req+jwt"} | header
        body = claims if isinstance(claims, bytes) else msgspec.json.encode(claims or self.claims())
        given = {name: value for name, value in protected.items() if value is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # EdDSA has another name since RFC 9864
            return jws.serialize_compact(given, body, key, algorithms=[algorithm])

    async def go(self, signed: str, **outside: str) -> None:
        await self.person.go("/authorize", **({"client_id": "bank", "request": signed} | outside))

    async def must_be_refused(self, signed: str, **outside: str) -> None:
        await self.go(signed, redirect_uri=CALLBACK, state="outside", **outside)
        assert self.person.answer["error"] == "invalid_request_object"
        assert self.person.answer["state"] == "outside"
        assert self.person.answer["iss"] == self.house.issuer


@pytest.fixture
def bank(house: House, person: Person) -> Bank:
    return Bank(house, person)


@pytest.mark.parametrize("algorithm", list(KEYS))
async def test_signed_request_is_taken_rfc9101_6_2(bank: Bank, algorithm: str) -> None:
    await bank.register()
    await bank.go(bank.sign(algorithm=algorithm))
    await bank.person.sign_in("clara")
    await bank.person.submit(decision="allow")
    assert bank.person.answer["code"]
    assert bank.person.answer["state"] == "signed state"


async def test_only_parameters_inside_count_rfc9101_6_3(bank: Bank) -> None:
    await bank.register()
    outside = {"redirect_uri": "https://bank.example/other", "state": "other", "scope": "email", "prompt": "none"}
    await bank.go(bank.sign(bank.claims(nonce="n")), **outside, response_type="code")
    await bank.person.sign_in("clara")
    assert "See your e-mail address" not in bank.person.page.text
    await bank.person.submit(decision="allow")
    assert bank.person.page.headers["location"].startswith(f"{CALLBACK}?")
    assert bank.person.answer["state"] == "signed state"


async def test_what_is_missing_inside_is_not_taken_from_outside_rfc9101_6_3(bank: Bank) -> None:
    await bank.register()
    outside = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    await bank.go(bank.sign(bank.claims(code_challenge=None)), **outside)
    assert bank.person.answer["error"] == "invalid_request"
    assert bank.person.answer["state"] == "signed state"


async def test_numbers_objects_and_several_resources_are_parameters_too_rfc9101_4(bank: Bank) -> None:
    await bank.register()
    claims = {"userinfo": {"email": None}, "id_token": {}}
    resources = [bank.house.resource, bank.house.issuer]
    await bank.go(bank.sign(bank.claims(max_age=0, claims=claims, resource=resources, ui_locales=None)))
    assert 'name="password"' in bank.person.page.text
    await bank.go(bank.sign(bank.claims(resource=[bank.house.resource, "https://elsewhere.example"])))
    assert bank.person.answer["error"] == "invalid_target"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "web"},
        {"client_id": ["bank"]},
        {"iss": "web"},
        {"sub": "bank"},
        {"aud": "https://elsewhere.example"},
        {"aud": ["https://elsewhere.example"]},
        {"aud": 7},
        {"exp": 1},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": 10**11},
        {"nbf": []},
        {"iat": 10**11},
        {"request": "eyJ"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
    ],
)
async def test_claims_must_fit_rfc9101_4(bank: Bank, changes: dict[str, Any]) -> None:
    await bank.register()
    await bank.must_be_refused(bank.sign(bank.claims(**changes)))


async def test_audience_may_be_one_of_several_rfc7519_4_1_3(bank: Bank) -> None:
    await bank.register()
    await bank.go(bank.sign(bank.claims(aud=["https://elsewhere.example", bank.house.issuer])))
    assert 'name="password"' in bank.person.page.text


async def test_response_type_outside_must_be_the_same_oidc_core_6_1(bank: Bank) -> None:
    await bank.register()
    await bank.must_be_refused(bank.sign(), response_type="token")


async def test_signature_must_be_the_clients_rfc9101_6_2(bank: Bank) -> None:
    await bank.register()
    await bank.must_be_refused(bank.sign(key=OTHER))
    good = bank.sign()
    await bank.must_be_refused(good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"))
    head, _, signature = good.split(".")
    other = bank.sign(bank.claims(scope="email")).split(".")[1]
    await bank.must_be_refused(f"{head}.{other}.{signature}")


async def test_none_is_no_algorithm_rfc9101_10_1(bank: Bank) -> None:
    await bank.register()
    head, body = (jws_part(part) for part in (b'{"alg":"none"}', msgspec.json.encode(bank.claims())))
    await bank.must_be_refused(f"{head}.{body}.")


async def test_public_key_is_no_shared_secret(bank: Bank) -> None:
    """HS256 with the client's public key as the secret: the oldest trick of all."""
    await bank.register()
    secret = KEYS["RS256"].as_pem(private=False)
    signed = f"{jws_part(b'{"alg":"HS256","kid":"rsa"}')}.{jws_part(msgspec.json.encode(bank.claims()))}"
    await bank.must_be_refused(f"{signed}.{jws_part(hmac.digest(secret, signed.encode(), 'sha256'))}")


@pytest.mark.parametrize("kind", ["at+jwt", "secevent+jwt", "dpop+jwt"])
async def test_jwt_of_another_type_is_refused_rfc9101_10_8(bank: Bank, kind: str) -> None:
    await bank.register()
    await bank.must_be_refused(bank.sign(typ=kind))


@pytest.mark.parametrize("kind", [None, "JWT", "application/oauth-authz-req+jwt"])
async def test_type_may_be_left_out_or_be_spelt_out_rfc9101_10_8(bank: Bank, kind: str | None) -> None:
    await bank.register()
    await bank.go(bank.sign(typ=kind))
    assert 'name="password"' in bank.person.page.text


async def test_registered_algorithm_is_held_rfc9101_10_5(bank: Bank) -> None:
    await bank.register(request_object_signing_alg="PS256")
    await bank.must_be_refused(bank.sign())
    await bank.go(bank.sign(algorithm="PS256"))
    assert 'name="password"' in bank.person.page.text


async def test_client_without_keys_signs_nothing(bank: Bank) -> None:
    await bank.register(jwks=None, token_endpoint_auth_method="none")
    await bank.must_be_refused(bank.sign())


async def test_client_can_be_held_to_signing_rfc9101_10_5(bank: Bank) -> None:
    await bank.register(require_signed_request_object=True)
    asked = bank.person.request(client_id="bank", redirect_uri=CALLBACK)
    await bank.person.go("/authorize", **asked)
    assert bank.person.answer["error"] == "invalid_request"
    assert "igned" in bank.person.answer["error_description"]
    await bank.go(bank.sign())
    assert 'name="password"' in bank.person.page.text


async def test_bad_object_without_a_redirect_uri_outside_is_a_page(bank: Bank) -> None:
    await bank.register()
    await bank.go("eyJ.e30.x")
    assert (bank.person.page.status_code, "location" in bank.person.page.headers) == (400, False)


async def test_redirect_uri_inside_that_is_not_registered_is_a_page_oauth21_2_3_4(bank: Bank) -> None:
    await bank.register()
    await bank.go(bank.sign(bank.claims(redirect_uri="https://evil.example/")), redirect_uri=CALLBACK)
    assert bank.person.page.status_code == 400


async def test_two_objects_are_refused_oauth21_3_1(bank: Bank) -> None:
    await bank.register()
    signed = bank.sign()
    pairs = f"client_id=bank&redirect_uri=https%3A%2F%2Fbank.example%2Fcallback&request={signed}&request={signed}"
    await bank.person.go(f"/authorize?{pairs}")
    assert bank.person.answer["error"] == "invalid_request"


@pytest.mark.parametrize(
    "text", ["x", "..", "a.b.c", "e30.e30.", "eyJhbGciOiJFUzI1NiJ9.W10.AA", "eyJhbGciOiJFUzI1NiJ9.e30.AA", "é.e.e"]
)
async def test_malformed_objects_are_refused(bank: Bank, text: str) -> None:
    await bank.register()
    await bank.must_be_refused(text)


async def test_control_characters_inside_are_refused(bank: Bank) -> None:
    await bank.register()
    await bank.go(bank.sign(bank.claims(nonce="a\x00b", state="a\nb")))
    assert bank.person.answer["error"] == "invalid_request"
    assert "state" not in bank.person.answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from(
        ["redirect_uri", "scope", "state", "max_age", "prompt", "resource", "claims", "exp", "aud", "response_mode"]
    ),
    value=json_values,
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_a_signed_claim_is_the_answer_is_in_order(bank: Bank, name: str, value: Any) -> None:
    await bank.register()
    try:
        body = msgspec.json.encode(bank.claims() | {name: value})
    except (UnicodeEncodeError, OverflowError):
        return
    answer = await bank.person.http.get("/authorize", params={"client_id": "bank", "request": bank.sign(body)})
    assert answer.status_code in {200, 303, 400}


async def test_signed_request_may_be_pushed_rfc9126_3(bank: Bank) -> None:
    await bank.register(token_endpoint_auth_method="none")
    form = {"client_id": "bank", "request": bank.sign(), "scope": "email"}
    answer = await bank.house.post("/par", form)
    assert answer.status_code == 201, answer.text
    await bank.person.go("/authorize", client_id="bank", request_uri=answer.json()["request_uri"])
    await bank.person.sign_in("clara")
    await bank.person.submit(decision="allow")
    assert bank.person.answer["state"] == "signed state"
    refused = await bank.house.post("/par", form | {"request": bank.sign(key=OTHER)})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request_object")
    assert refused.headers["cache-control"] == "no-store"


async def test_metadata_says_so_rfc9101_10_5(bank: Bank) -> None:
    document = (await bank.house.http.get("/.well-known/openid-configuration")).json()
    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is False
    assert "none" not in document["request_object_signing_alg_values_supported"]


def jws_part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
