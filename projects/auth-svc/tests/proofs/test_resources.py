"""Bound tokens at auth-svc's own resource, /userinfo (RFC 9449 section 7)."""

from typing import Any

import pytest

from auth_svc.grants import Confirmation
from auth_svc.testing import House


@pytest.fixture
async def token(house: House, prover: Any) -> str:
    tokens = await house.tokens("clara", scope="openid profile", confirmation=Confirmation(jkt=prover.jkt))
    assert tokens["token_type"] == "DPoP"
    return str(tokens["access_token"])


def refused(answer: Any, code: str, scheme: str = "DPoP") -> bool:
    assert (answer.status_code, answer.json()["error"]) == (401, code), answer.text
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith(scheme + " ")
    assert f'error="{code}"' in challenge
    assert ('algs="ES256 PS256 EdDSA Ed25519"' in challenge) == (scheme == "DPoP")
    return True


async def test_bound_token_with_its_proof_is_good_rfc9449_7_1(house: House, prover: Any, token: str) -> None:
    answer = await house.http.get("/userinfo", headers=prover.shows(token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["preferred_username"] == "clara"
    answer = await house.http.post("/userinfo", headers=prover.shows(token, method="POST"))
    assert answer.status_code == 200, answer.text


async def test_bound_token_is_no_bearer_token_rfc9449_7_2(house: House, prover: Any, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    assert refused(await house.http.get("/userinfo", headers=headers), "invalid_token", "Bearer")
    headers |= prover.headers("/userinfo", "GET", token=token)
    assert refused(await house.http.get("/userinfo", headers=headers), "invalid_token", "Bearer")
    answer = await house.http.post("/userinfo", data={"access_token": token})
    assert refused(answer, "invalid_token", "Bearer")


async def test_unbound_token_is_no_dpop_token_rfc9449_7_1(house: House, prover: Any) -> None:
    unbound = (await house.tokens("clara", scope="openid"))["access_token"]
    assert refused(await house.http.get("/userinfo", headers=prover.shows(unbound)), "invalid_token")


async def test_bound_token_needs_a_proof_for_it_and_this_request_rfc9449_7_1(
    house: House, prover: Any, token: str
) -> None:
    headers = {"authorization": f"DPoP {token}"}
    assert refused(await house.http.get("/userinfo", headers=headers), "invalid_dpop_proof")
    for proof in (
        prover.proof("/userinfo", "GET"),  # no ath
        prover.proof("/userinfo", "GET", token="another"),
        prover.proof("/userinfo", "POST", token=token),
        prover.proof("/token", "GET", token=token),
    ):
        answer = await house.http.get("/userinfo", headers=headers | {"dpop": proof})
        assert refused(answer, "invalid_dpop_proof")


async def test_proof_by_another_key_is_invalid_token_rfc9449_7_1(house: House, thief: Any, token: str) -> None:
    assert refused(await house.http.get("/userinfo", headers=thief.shows(token)), "invalid_token")


async def test_proof_is_good_once_rfc9449_11_1(house: House, prover: Any, token: str) -> None:
    headers = prover.shows(token)
    assert (await house.http.get("/userinfo", headers=headers)).status_code == 200
    assert refused(await house.http.get("/userinfo", headers=headers), "invalid_dpop_proof")


async def test_both_schemes_are_offered_without_a_token_rfc9449_7_1(house: House) -> None:
    answer = await house.http.get("/userinfo")
    assert answer.headers.get_list("www-authenticate") == [
        'Bearer realm="auth-svc"',
        'DPoP realm="auth-svc", algs="ES256 PS256 EdDSA Ed25519"',
    ]
