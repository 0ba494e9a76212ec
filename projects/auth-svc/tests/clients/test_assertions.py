"""private_key_jwt (RFC 7523 section 3, OIDC Core section 9, RFC 7523bis, FAPI 2.0 section 5.3.2.1)."""

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from joserfc import jwk

from auth_svc.testing import House

OTHER = jwk.ECKey.generate_key("P-256", {"kid": "ec"})


def must_be_refused(answer: Any) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.json() == {"error": "invalid_client", "error_description": "Client authentication failed."}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
async def test_client_that_signs_is_known_rfc7523_3(bank: Any, algorithm: str) -> None:
    await bank.register()
    answer = await bank.ask(bank.sign(bank.claims(), algorithm))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/introspect", "/revoke"])
async def test_every_endpoint_with_client_authentication_takes_it_rfc7521_4_2(bank: Any, path: str) -> None:
    await bank.register()
    assert (await bank.ask(path=path, token="x")).status_code == 200


async def test_one_key_without_kid_is_enough_and_two_are_not_oidc_core_10_1(bank: Any) -> None:
    await bank.register()
    assert (await bank.ask(bank.sign(bank.claims(), kid=None))).status_code == 200
    await bank.register(jwks={"keys": [OTHER.as_dict(private=False) | {"kid": "two"}, bank.public("ES256")]})
    must_be_refused(await bank.ask(bank.sign(bank.claims(), kid=None)))
    assert (await bank.ask(bank.sign(bank.claims()))).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "web"},
        {"sub": "web"},
        {"iss": "nobody", "sub": "nobody"},
        {"iss": "simulator", "sub": "simulator"},
        {"iss": None},
        {"sub": None},
        {"aud": None},
        {"aud": "http://127.0.0.1:8400/token"},
        {"aud": ["http://127.0.0.1:8400"]},
        {"aud": ["http://127.0.0.1:8400", "https://elsewhere.example"]},
        {"aud": "http://127.0.0.1:8400/"},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": 0},
        {"exp": -1},
        {"exp": 10**30},
        {"exp": 1e300},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 513},
    ],
)
async def test_claims_that_do_not_fit_are_refused_rfc7523_3(bank: Any, changes: dict[str, Any]) -> None:
    await bank.register()
    must_be_refused(await bank.ask(bank.sign(bank.claims(**changes))))


@pytest.mark.parametrize(("claim", "seconds"), [("iat", 61), ("nbf", 61), ("exp", -1), ("exp", 3700)])
async def test_times_outside_the_window_are_refused_fapi2_5_3_2_1(bank: Any, claim: str, seconds: int) -> None:
    await bank.register()
    moment = int(bank.house.clock().timestamp()) + seconds
    must_be_refused(await bank.ask(bank.sign(bank.claims(**{claim: moment}))))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_clock_that_is_ten_seconds_ahead_is_accepted_fapi2_5_3_2_1(bank: Any, claim: str) -> None:
    await bank.register()
    moment = int(bank.house.clock().timestamp()) + 10
    assert (await bank.ask(bank.sign(bank.claims(**{claim: moment})))).status_code == 200


async def test_an_assertion_is_good_once_rfc7523_3(bank: Any, house: House) -> None:
    await bank.register()
    assertion = bank.sign(bank.claims(exp=int(house.clock().timestamp()) + 3600))
    assert (await bank.ask(assertion)).status_code == 200
    must_be_refused(await bank.ask(assertion))
    must_be_refused(await bank.ask(assertion, path="/introspect", token="x"))
    house.clock.advance(timedelta(minutes=59))
    await house.app.housekeeping.sweep()
    must_be_refused(await bank.ask(assertion))


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_of_fifty_parallel_uses_of_an_assertion_exactly_one_wins_rfc7523_3(bank: Any) -> None:
    await bank.register()
    assertion = bank.sign(bank.claims())
    answers = await asyncio.gather(*(bank.ask(assertion) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 49


async def test_a_refused_assertion_uses_nothing_up(bank: Any) -> None:
    await bank.register()
    claims = bank.claims()
    must_be_refused(await bank.ask(bank.sign(claims, key=OTHER)))
    assert (await bank.ask(bank.sign(claims))).status_code == 200


async def test_a_used_assertion_stays_used_when_the_request_fails_later_rfc7523_3(bank: Any) -> None:
    await bank.register()
    assertion = bank.sign(bank.claims())
    assert (await bank.ask(assertion, scope="nonsense")).json()["error"] == "invalid_scope"
    must_be_refused(await bank.ask(assertion))


@pytest.mark.parametrize(
    "form",
    [
        {"client_assertion_type": ""},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion": ""},
        {"client_id": "web"},
    ],
)
async def test_forms_that_do_not_fit_are_refused_rfc7521_4_2(bank: Any, form: dict[str, str]) -> None:
    await bank.register()
    must_be_refused(await bank.ask(**form))


async def test_client_id_in_the_form_may_agree_rfc7521_4_2(bank: Any) -> None:
    await bank.register()
    assert (await bank.ask(client_id="bank")).status_code == 200


async def test_a_secret_beside_an_assertion_is_invalid_request_rfc6749_2_3(bank: Any, house: House) -> None:
    await bank.register()
    assert (await bank.ask(client_id="bank", client_secret="x")).json()["error"] == "invalid_request"
    form = {"client_assertion": bank.sign(bank.claims()), "grant_type": "client_credentials"}
    answer = await house.post("/token", form, client="simulator")
    assert answer.json()["error"] == "invalid_request"


async def test_the_registered_method_holds_oidc_core_9(bank: Any, house: House) -> None:
    await bank.register()
    grant = {"grant_type": "client_credentials"}
    must_be_refused(await house.post("/token", grant | {"client_id": "bank"}))
    must_be_refused(await house.post("/token", grant | {"client_id": "bank", "client_secret": house.secret}))
    must_be_refused(await house.post("/token", grant, client="bank"))
    must_be_refused(await house.post("/token", grant | {"client_id": "simulator", "client_secret": house.secret}))
    for unproven in ({"jwks": None}, {}):  # a public client may have keys, for its request objects
        await bank.register(token_endpoint_auth_method="none", grant_types=(), **unproven)
        must_be_refused(await bank.ask())


async def test_the_registered_algorithm_holds_oidc_registration_2(bank: Any) -> None:
    await bank.register(token_endpoint_auth_signing_alg="PS256")
    must_be_refused(await bank.ask(bank.sign(bank.claims(), "ES256")))
    must_be_refused(await bank.ask(bank.sign(bank.claims(), "RS256")))
    assert (await bank.ask(bank.sign(bank.claims(), "PS256"))).status_code == 200


async def test_under_fapi_rs256_and_secrets_are_refused_fapi2_5_4_1(bank: Any) -> None:
    await bank.register(profile="fapi2", dpop_bound_access_tokens=True)
    must_be_refused(await bank.ask(bank.sign(bank.claims(), "RS256")))
    assert (await bank.ask(bank.sign(bank.claims(), "PS256"))).status_code != 401
    await bank.register(
        profile="fapi2", token_endpoint_auth_method="client_secret_basic", secret=bank.house.secret, jwks=None
    )
    must_be_refused(await bank.house.post("/token", {"grant_type": "client_credentials"}, client="bank"))


async def test_unsigned_and_symmetric_assertions_are_refused_rfc8725_3_1(bank: Any) -> None:
    await bank.register()
    signed = bank.sign(bank.claims())
    _, payload, _ = signed.split(".")
    for header in (b'{"alg":"none"}', b'{"alg":"HS256"}', b'{"alg":"ES256","kid":["ec"]}'):
        first = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
        for signature in ("", "AAAA"):
            must_be_refused(await bank.ask(f"{first}.{payload}.{signature}"))


async def test_an_assertion_is_nowhere_in_log_or_events(bank: Any, caplog: Any, capsys: Any) -> None:
    await bank.register()
    assertion = bank.sign(bank.claims())
    await bank.ask(assertion)
    await bank.ask(assertion)
    await bank.house.events("TokenIssued")
    told = repr(bank.house.bus.published) + caplog.text + repr(capsys.readouterr())
    assert assertion.split(".")[1] not in told
    assert assertion.split(".")[2] not in told


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(payload=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode), st.just(b'{"iss":NaN}')))
async def test_no_payload_makes_it_stumble(bank: Any, payload: bytes) -> None:
    await bank.register()
    must_be_refused(await bank.ask(bank.sign(payload)))


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(assertion=st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=80))
async def test_no_text_makes_it_stumble(bank: Any, assertion: str) -> None:
    await bank.register()
    must_be_refused(await bank.ask(assertion))
