"""The code at /token: once, in time, for its client, redirect URI and verifier."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


async def test_tokens_say_who_when_how_and_for_which_sign_in(person: Any, house: Any) -> None:
    signed_in_at = int(house.clock().timestamp())
    code = await person.code("clara", nonce="n-0S6", max_age="3600")
    house.clock.advance(timedelta(seconds=30))
    tokens = (await person.redeem(code)).json()
    access, identity = claims(tokens["access_token"]), claims(tokens["id_token"])
    (started,) = await house.events("SessionStarted")
    (consent,) = await house.events("ConsentGranted")
    assert access["sub"] == identity["sub"] == started.data.user_id
    assert access["auth_time"] == identity["auth_time"] == signed_in_at
    assert access["sid"] == started.data.session_id
    assert access["grant_id"] == consent.data.grant_id
    assert access["amr"] == ["pwd"]
    assert access["roles"] == ["clerk"]
    assert identity["nonce"] == "n-0S6"
    assert identity["aud"] == "cli-proj"
    assert "refresh_token" not in tokens


async def test_code_works_once_and_its_replay_revokes_what_it_gave_oauth21_4_1_3(person: Any, house: Any) -> None:
    code = await person.code(scope="openid offline_access shipments:read")
    tokens = (await person.redeem(code)).json()
    again = await person.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    (revoked,) = await house.events("GrantRevoked")
    assert revoked.data.grant_id == claims(tokens["access_token"])["grant_id"]
    refresh = {"grant_type": "refresh_token", "client_id": "cli-proj", "refresh_token": tokens["refresh_token"]}
    assert (await house.post("/token", refresh)).json()["error"] == "invalid_grant"


async def test_of_parallel_redemptions_one_wins_and_the_grant_dies(person: Any, house: Any) -> None:
    code = await person.code()
    answers = await asyncio.gather(*(person.redeem(code) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert await house.events("GrantRevoked")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": ""}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"code_verifier": "another-verifier-that-is-long-enough-to-be-one"}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": "ä" * 50}, "invalid_grant"),
        ({"code_verifier": "a" * 129}, "invalid_grant"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:53413/callback"}, "invalid_grant"),
        ({"client_id": "gui-proj"}, "invalid_grant"),
    ],
)
async def test_failed_redemption_consumes_and_revokes_nothing(
    person: Any, house: Any, changes: dict[str, str], error: str
) -> None:
    code = await person.code()
    answer = await person.redeem(**({"code": code} | changes))
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["cache-control"] == "no-store"
    assert (await person.redeem(code)).status_code == 200
    assert await house.events("GrantRevoked") == []


async def test_replay_without_the_verifier_is_no_weapon(person: Any, house: Any) -> None:
    code = await person.code()
    assert (await person.redeem(code)).status_code == 200
    await person.redeem(code, code_verifier="another-verifier-that-is-long-enough-to-be-one")
    assert await house.events("GrantRevoked") == []


async def test_redirect_uri_may_be_left_out_at_the_token_endpoint_oauth21_10_2(person: Any) -> None:
    assert (await person.redeem(await person.code(), redirect_uri="")).status_code == 200


async def test_code_lives_sixty_seconds(person: Any, house: Any) -> None:
    code = await person.code()
    house.clock.advance(timedelta(seconds=60))
    answer = await person.redeem(code)
    assert answer.json()["error"] == "invalid_grant"
    assert await house.events("GrantRevoked") == []


async def test_replay_after_the_code_has_expired_still_revokes(person: Any, house: Any) -> None:
    code = await person.code()
    assert (await person.redeem(code)).status_code == 200
    house.clock.advance(timedelta(minutes=5))
    assert (await person.redeem(code)).json()["error"] == "invalid_grant"
    assert len(await house.events("GrantRevoked")) == 1


async def test_code_dies_with_the_session(person: Any) -> None:
    code = await person.code()
    await person.sign_out()
    assert (await person.redeem(code)).json()["error"] == "invalid_grant"


async def test_confidential_client_must_authenticate(person: Any, house: Any) -> None:
    uri = "https://shop.example/callback?of=shop"
    code = await person.code(client_id="web", redirect_uri=uri)
    assert (await person.redeem(code, client_id="web", redirect_uri=uri)).status_code == 401
    person.http.headers.update(house.basic("web"))
    assert (await person.redeem(code, client_id="web", redirect_uri=uri)).status_code == 200


async def test_resource_of_the_request_narrows_the_audience_rfc8707_2_2(person: Any, house: Any) -> None:
    code = await person.code(resource=house.resource)
    assert claims((await person.redeem(code)).json()["access_token"])["aud"] == house.resource


async def test_no_code_is_kept_in_the_clear(person: Any, folder: Path) -> None:
    code = await person.code()
    await person.redeem(code)
    assert not [file for file in folder.iterdir() if code.encode() in file.read_bytes()]
