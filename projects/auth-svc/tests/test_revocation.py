"""/revoke (RFC 7009) and the verbs of revocation."""

from datetime import timedelta
from typing import Any

import pytest

from auth_svc import grants
from auth_svc.testing import House
from lib_one.contracts import revocation


async def revoke(house: House, token: str, *, client: str = "cli-proj", **more: str) -> Any:
    return await house.post("/revoke", {"token": token, "client_id": client} | more)


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "nonsense"])
async def test_revoked_access_token_is_inactive_and_its_grant_lives_rfc7009_2_1(house: House, hint: str | None) -> None:
    tokens = await house.tokens("clara")
    answer = await revoke(house, tokens["access_token"], **({"token_type_hint": hint} if hint else {}))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert not await house.active(tokens["access_token"])
    (revoked,) = await house.events("TokenRevoked")
    assert revoked.data.aggregate() == house.claims(tokens["access_token"])["jti"]
    assert (await house.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token"])
async def test_revoked_refresh_token_ends_its_grant_rfc7009_2_1(house: House, hint: str | None) -> None:
    tokens = await house.tokens("clara")
    answer = await revoke(house, tokens["refresh_token"], **({"token_type_hint": hint} if hint else {}))
    assert answer.status_code == 200
    assert not await house.active(tokens["access_token"])
    assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert len(await house.events("GrantRevoked")) == 1
    assert (await revoke(house, tokens["refresh_token"])).status_code == 200
    assert len(await house.events("GrantRevoked")) == 1


@pytest.mark.parametrize("token", ["unknown", "a.b.c", "..", "ä", "eyJhbGciOiJub25lIn0.e30."])
async def test_unknown_token_is_200_rfc7009_2_2(house: House, token: str) -> None:
    assert (await revoke(house, token)).status_code == 200


async def test_token_of_another_client_is_refused_and_left_alone_rfc7009_2_1(house: House) -> None:
    tokens = await house.tokens("clara", client="cli-proj")
    for token in (tokens["access_token"], tokens["refresh_token"]):
        answer = await revoke(house, token, client="gui-proj")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert await house.active(tokens["access_token"])
    assert (await house.refresh(tokens["refresh_token"])).status_code == 200


async def test_missing_token_is_invalid_request(house: House) -> None:
    answer = await house.post("/revoke", {"client_id": "cli-proj"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_expired_access_token_is_200_and_tells_nobody(house: House) -> None:
    tokens = await house.tokens("clara")
    house.clock.advance(timedelta(minutes=10))
    assert (await revoke(house, tokens["access_token"])).status_code == 200
    assert await house.events("TokenRevoked") == []


async def test_revoked_session_ends_its_tokens_and_grants(house: House) -> None:
    tokens, other = await house.tokens("clara"), await house.tokens("clara")
    session_id = house.claims(tokens["access_token"])["sid"]
    await house.app.ledger.database.work(lambda connection: house.app.revocation.revoke_session(connection, session_id))
    assert not await house.active(tokens["access_token"])
    assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await house.active(other["access_token"])
    (event,) = await house.events("SessionRevoked")
    assert isinstance(event.data, revocation.SessionRevoked)
    assert event.data.expires_at >= house.clock() + timedelta(minutes=10)


async def test_revoked_subject_must_sign_in_again_and_then_may(house: House) -> None:
    tokens, other = await house.tokens("clara"), await house.tokens("dan", scope="shipments:read")
    subject = house.claims(tokens["access_token"])["sub"]
    await house.app.ledger.database.work(lambda connection: house.app.revocation.revoke_subject(connection, subject))
    assert not await house.active(tokens["access_token"])
    assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await house.active(other["access_token"])
    house.clock.advance(timedelta(seconds=1))
    fresh = await house.tokens("clara")
    assert await house.active(fresh["access_token"])
    (event,) = await house.events("SubjectRevoked")
    assert event.data.aggregate() == subject


async def test_revocation_leaves_those_before_it_as_they_are(house: House) -> None:
    first, second = await house.tokens("clara"), await house.tokens("dan", scope="shipments:read")
    subject = house.claims(first["access_token"])["sub"]
    for _ in range(2):  # of the same thing again, too
        await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, subject))
        house.clock.advance(timedelta(seconds=1))
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_session(c, subject))
    assert not await house.active(first["access_token"])
    live = await house.app.ledger.database.read(lambda c: grants.live_of(c, subject, now=house.clock()))
    assert live == []
    for token in (second, await house.tokens("erin", scope="shipments:read")):
        await revoke(house, token["access_token"])
    assert not await house.active(second["access_token"])


async def test_revocation_by_a_clock_that_is_behind_takes_nothing_back(house: House) -> None:
    house.clock.advance(timedelta(seconds=3))
    token = await house.tokens("clara")
    subject = house.claims(token["access_token"])["sub"]
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, subject))
    house.clock.advance(-timedelta(seconds=2))  # that of another process
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, subject))
    assert not await house.active(token["access_token"])


async def test_revoked_client_loses_what_it_had_and_may_ask_again(house: House) -> None:
    form = {"grant_type": "client_credentials"}
    token = (await house.post("/token", form, client="simulator")).json()["access_token"]
    await house.app.ledger.database.work(lambda connection: house.app.revocation.revoke_client(connection, "simulator"))
    assert not await house.active(token)
    house.clock.advance(timedelta(seconds=1))
    token = (await house.post("/token", form, client="simulator")).json()["access_token"]
    assert await house.active(token)
    assert len(await house.events("ClientRevoked")) == 1


async def test_distrusted_key_ends_what_it_signed_and_a_new_one_takes_over(house: House) -> None:
    form = {"grant_type": "client_credentials"}
    token = (await house.post("/token", form, client="simulator")).json()["access_token"]
    key_id = (await house.http.get("/jwks")).json()["keys"][0]["kid"]
    signing = {key["kid"] for key in (await house.http.get("/jwks")).json()["keys"] if key["alg"] == "ES256"}
    assert await house.active(token)
    key_id = signing.pop()
    await house.app.ledger.database.work(lambda connection: house.app.revocation.distrust_key(connection, key_id))
    await house.app.keys.reload()
    assert not await house.active(token)
    published = {key["kid"] for key in (await house.http.get("/jwks")).json()["keys"]}
    assert key_id not in published
    fresh = (await house.post("/token", form, client="simulator")).json()["access_token"]
    assert await house.active(fresh)
    assert len(await house.events("KeyDistrusted")) == 1


async def test_revocations_are_forgotten_when_no_token_is_left_that_they_concern(house: House) -> None:
    from auth_svc.revocation import forget_expired

    tokens = await house.tokens("clara")
    await revoke(house, tokens["refresh_token"])
    assert await house.app.ledger.database.work(lambda c: forget_expired(c, house.clock(), 10)) == 0
    house.clock.advance(timedelta(minutes=12))
    assert await house.app.ledger.database.work(lambda c: forget_expired(c, house.clock(), 10)) == 1


async def test_revocations_are_sent_before_ordinary_news(house: House) -> None:
    house.bus.away = True
    tokens = await house.tokens("clara")
    await revoke(house, tokens["access_token"])
    house.bus.away = False
    await house.events("TokenIssued")
    kinds = [event.type.rsplit(".", 3)[-3:] for event in house.bus.events]
    assert kinds.index(["token", "revoked", "v1"]) < kinds.index(["token", "issued", "v1"])


async def test_heartbeat_goes_into_the_stream(house: House) -> None:
    from lib_one.testing import eventually

    beats = await eventually(
        lambda: [event for event in house.bus.events if isinstance(event.data, revocation.RevocationHeartbeat)]
    )
    assert beats[0].data.subject() == "auth.rev.heartbeat"
