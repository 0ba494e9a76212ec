"""DPoP at the token endpoint (RFC 9449 sections 5, 6, 8, 10 and 11)."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from auth_svc.clients import NewClient
from auth_svc.testing import LOOPBACK, VERIFIER, House
from lib_one.event import new_id

MACHINE = {"grant_type": "client_credentials", "scope": "shipments:read"}


async def machine(house: House, headers: dict[str, str] | list[tuple[str, str]], **more: str) -> Any:
    """A request of the simulator for a token of its own."""
    basic = house.basic("simulator")
    pairs = [*basic.items(), *(headers.items() if isinstance(headers, dict) else headers)]
    return await house.http.post("/token", data=MACHINE | more, headers=pairs)


def refused(answer: Any, code: str = "invalid_dpop_proof") -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return True


async def renew(house: House, token: str, headers: dict[str, str], client: str = "cli-proj") -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client}
    return await house.http.post("/token", data=form, headers=headers)


async def test_token_is_bound_to_the_key_of_the_proof_rfc9449_5_and_6(house: House, prover: Any) -> None:
    answer = await machine(house, prover.headers())
    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    assert house.claims(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}
    assert "dpop-nonce" not in answer.headers


async def test_without_a_proof_tokens_are_bearer_as_before_rfc6750(house: House) -> None:
    answer = (await machine(house, {})).json()
    assert answer["token_type"] == "Bearer"
    assert "cnf" not in house.claims(answer["access_token"])


async def test_introspection_tells_the_key_and_the_type_rfc9449_6_2(house: House, prover: Any) -> None:
    token = (await machine(house, prover.headers())).json()["access_token"]
    answer = (await house.post("/introspect", {"token": token}, client="app-svc")).json()
    assert (answer["token_type"], answer["cnf"]) == ("DPoP", {"jkt": prover.jkt})


async def test_bad_proof_is_invalid_dpop_proof_rfc9449_5(house: House, prover: Any) -> None:
    good = prover.proof()
    for headers in (
        {"dpop": ""},
        {"dpop": "x.y.z"},
        prover.headers("/introspect"),
        prover.headers(method="GET"),
        [("dpop", good), ("dpop", prover.proof())],
        [("dpop", good), ("dpop", good)],
    ):
        assert refused(await machine(house, headers))
    assert (await machine(house, {"dpop": good})).status_code == 200


async def test_proof_is_good_once_rfc9449_11_1(house: House, prover: Any) -> None:
    headers = prover.headers()
    assert (await machine(house, headers)).status_code == 200
    assert refused(await machine(house, headers))


async def test_refused_request_leaves_its_proof_unused(house: House, prover: Any) -> None:
    headers = prover.headers()
    assert refused(await machine(house, headers, scope="nothing"), "invalid_scope")
    assert (await machine(house, headers)).status_code == 200


async def test_of_fifty_parallel_uses_of_a_proof_exactly_one_wins_rfc9449_11_1(house: House, prover: Any) -> None:
    headers = prover.headers()
    answers = await asyncio.gather(*(machine(house, headers) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49


async def test_jti_of_another_key_is_no_replay_rfc9449_11_1(house: House, prover: Any, thief: Any) -> None:
    assert (await machine(house, prover.headers(jti="same"))).status_code == 200
    assert (await machine(house, thief.headers(jti="same"))).status_code == 200
    assert refused(await machine(house, prover.headers(jti="same")))


async def test_used_proofs_are_forgotten_when_they_are_too_old_to_come_back(house: House, prover: Any) -> None:
    headers = prover.headers(iat=int(house.clock().timestamp()) + 10)
    assert (await machine(house, headers)).status_code == 200
    house.clock.advance(timedelta(seconds=70))
    await house.app.housekeeping.sweep()
    assert refused(await machine(house, headers))
    house.clock.advance(timedelta(seconds=1))
    await house.app.housekeeping.sweep()
    assert refused(await machine(house, headers))


# --- codes ----------------------------------------------------------------------------------------------------------


async def redeem(person: Any, code: str, headers: dict[str, str]) -> Any:
    form = {
        "grant_type": "authorization_code",
        "client_id": "cli-proj",
        "code": code,
        "redirect_uri": LOOPBACK,
        "code_verifier": VERIFIER,
    }
    return await person.http.post("/token", data=form, headers=headers)


async def test_code_with_dpop_jkt_is_good_with_that_key_only_rfc9449_10(
    person: Any, house: House, prover: Any, thief: Any
) -> None:
    code = await person.code(dpop_jkt=prover.jkt)
    assert refused(await redeem(person, code, {}), "invalid_grant")
    assert refused(await redeem(person, code, thief.headers()), "invalid_grant")
    answer = await redeem(person, code, prover.headers())
    assert answer.status_code == 200, answer.text
    assert house.claims(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}


@pytest.mark.parametrize("jkt", ["short", "A" * 44, "!" * 43])
async def test_malformed_dpop_jkt_is_invalid_request_rfc9449_10(person: Any, jkt: str) -> None:
    await person.authorize(dpop_jkt=jkt)
    assert person.answer["error"] == "invalid_request"


async def test_code_without_dpop_jkt_takes_any_key_rfc9449_10(person: Any, house: House, prover: Any) -> None:
    answer = await redeem(person, await person.code(), prover.headers())
    assert answer.json()["token_type"] == "DPoP"


async def push(house: House, person: Any, headers: dict[str, str], **more: str) -> Any:
    return await house.http.post("/par", data=person.request(**more), headers=headers)


async def test_pushed_request_with_a_proof_binds_its_code_rfc9449_10_1(
    person: Any, house: House, prover: Any, thief: Any
) -> None:
    headers = prover.headers("/par")
    pushed = await push(house, person, headers)
    assert pushed.status_code == 201, pushed.text
    assert refused(await push(house, person, headers))  # section 11.1
    await person.go("/authorize", client_id="cli-proj", request_uri=pushed.json()["request_uri"])
    await person.sign_in("clara")
    await person.submit(decision="allow")
    code = person.answer["code"]
    assert refused(await redeem(person, code, {}), "invalid_grant")
    assert refused(await redeem(person, code, thief.headers()), "invalid_grant")
    assert (await redeem(person, code, prover.headers())).status_code == 200


async def test_proof_and_dpop_jkt_of_a_pushed_request_agree_rfc9449_10_1(
    person: Any, house: House, prover: Any, thief: Any
) -> None:
    assert (await push(house, person, prover.headers("/par"), dpop_jkt=prover.jkt)).status_code == 201
    assert refused(await push(house, person, prover.headers("/par"), dpop_jkt=thief.jkt), "invalid_request")
    assert refused(await push(house, person, prover.headers("/token")))


# --- refresh tokens -------------------------------------------------------------------------------------------------


async def test_refresh_token_of_a_public_client_is_bound_rfc9449_5(
    person: Any, house: House, prover: Any, thief: Any
) -> None:
    code = await person.code(scope="openid offline_access shipments:read")
    first = (await redeem(person, code, prover.headers())).json()
    assert refused(await renew(house, first["refresh_token"], {}), "invalid_grant")
    assert refused(await renew(house, first["refresh_token"], thief.headers()), "invalid_grant")
    # What was refused consumed and revoked nothing: a stolen token alone is no weapon.
    answer = await renew(house, first["refresh_token"], prover.headers())
    assert answer.status_code == 200, answer.text
    second = answer.json()
    assert house.claims(second["access_token"])["cnf"] == {"jkt": prover.jkt}
    assert (await renew(house, second["refresh_token"], prover.headers())).status_code == 200


async def test_grant_that_began_without_a_key_is_bound_by_the_first_proof_rfc9449_5(
    house: House, prover: Any, thief: Any
) -> None:
    first = await house.tokens("clara")
    second = (await renew(house, first["refresh_token"], prover.headers())).json()
    assert second["token_type"] == "DPoP"
    assert refused(await renew(house, second["refresh_token"], {}), "invalid_grant")
    assert refused(await renew(house, second["refresh_token"], thief.headers()), "invalid_grant")
    assert (await renew(house, second["refresh_token"], prover.headers())).status_code == 200


async def test_refresh_token_of_a_confidential_client_may_change_its_key_rfc9449_5(
    house: House, prover: Any, thief: Any
) -> None:
    tokens = await house.tokens("clara", client="web")
    for somebody in (prover, thief):
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        answer = await house.http.post("/token", data=form, headers=house.basic("web") | somebody.headers())
        assert answer.status_code == 200, answer.text
        tokens |= answer.json()
        assert house.claims(tokens["access_token"])["cnf"] == {"jkt": somebody.jkt}


# --- who owes a proof -----------------------------------------------------------------------------------------------


CLIENT_KEY = ECKey.generate_key("P-256", {"kid": "client"})


async def register(house: House, **metadata: Any) -> None:
    """Register the client `bank`, which proves by assertions who it is."""
    new = NewClient(
        client_id="bank",
        client_name="Bank",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [dict(CLIENT_KEY.as_dict(private=False))]},
        grant_types=("client_credentials",),
        scope="shipments:read",
        **metadata,
    )
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


async def asks(house: House, headers: dict[str, str]) -> Any:
    """A request of the bank for a token of its own."""
    claims = {"iss": "bank", "sub": "bank", "aud": house.issuer, "jti": new_id()}
    claims["exp"] = int(house.clock().timestamp()) + 60
    form = MACHINE | {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jws.serialize_compact(
            {"alg": "ES256", "kid": "client"}, msgspec.json.encode(claims), CLIENT_KEY
        ),
    }
    return await house.http.post("/token", data=form, headers=headers)


async def test_client_with_bound_tokens_owes_a_proof_rfc9449_5_2(house: House, prover: Any) -> None:
    await register(house, dpop_bound_access_tokens=True)
    assert refused(await asks(house, {}))
    assert (await asks(house, prover.headers())).status_code == 200


async def test_fapi_client_owes_a_proof_with_a_nonce_fapi2_5_3_2_1_rfc9449_8(house: House, prover: Any) -> None:
    await register(house, profile="fapi2")
    assert refused(await asks(house, {}))
    answer = await asks(house, prover.headers())
    assert refused(answer, "use_dpop_nonce")
    nonce = answer.headers["dpop-nonce"]
    answer = await asks(house, prover.headers(nonce=nonce))
    assert answer.status_code == 200, answer.text
    assert "dpop-nonce" not in answer.headers


async def test_new_nonce_is_given_in_time_and_old_ones_end_rfc9449_8_2(house: House, prover: Any) -> None:
    await register(house, profile="fapi2")
    nonce = (await asks(house, prover.headers())).headers["dpop-nonce"]
    house.clock.advance(timedelta(seconds=60))
    answer = await asks(house, prover.headers(nonce=nonce))
    assert answer.status_code == 200, answer.text
    newer = answer.headers["dpop-nonce"]
    assert newer != nonce
    house.clock.advance(timedelta(seconds=60))
    assert refused(await asks(house, prover.headers(nonce=nonce)), "use_dpop_nonce")
    assert (await asks(house, prover.headers(nonce=newer))).status_code == 200


@pytest.mark.parametrize("nonce", ["", "made up", "ü", "A" * 22])
async def test_made_up_nonce_is_answered_with_a_good_one_rfc9449_8(house: House, prover: Any, nonce: str) -> None:
    await register(house, profile="fapi2")
    answer = await asks(house, prover.headers(nonce=nonce))
    assert refused(answer, "use_dpop_nonce")
    assert (await asks(house, prover.headers(nonce=answer.headers["dpop-nonce"]))).status_code == 200


async def test_metadata_names_the_algorithms_rfc9449_5_1(house: House) -> None:
    found = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert found["dpop_signing_alg_values_supported"] == ["ES256", "PS256", "EdDSA", "Ed25519"]
