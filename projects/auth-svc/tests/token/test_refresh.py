"""Refresh tokens: rotation, reuse, scope, life (RFC 6749 section 6, RFC 9700 section 4.14)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth_svc import users
from auth_svc.errors import OAuthError
from auth_svc.testing import House

OWN = "openid profile email offline_access shipments:read shipments:write"


def refused(answer: Any, code: str = "invalid_grant") -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return True


async def test_refresh_rotates_and_keeps_the_grant(house: House) -> None:
    first = await house.tokens("clara", nonce="n-1")
    house.clock.advance(timedelta(minutes=9))
    answer = await house.refresh(first["refresh_token"])
    assert answer.status_code == 200, answer.text
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    before, after = house.claims(first["access_token"]), house.claims(second["access_token"])
    for name in ("sub", "grant_id", "sid", "client_id", "auth_time", "scope", "aud"):
        assert before[name] == after[name], name
    assert before["jti"] != after["jti"]
    id_token = house.claims(second["id_token"])
    assert "nonce" not in id_token  # OIDC Core section 12.2
    assert id_token["auth_time"] == house.claims(first["id_token"])["auth_time"]


async def test_reused_refresh_token_revokes_the_family_and_its_live_access_tokens(house: House) -> None:
    first = await house.tokens("clara")
    second = (await house.refresh(first["refresh_token"])).json()
    assert await house.active(second["access_token"])
    assert refused(await house.refresh(first["refresh_token"]))
    assert not await house.active(first["access_token"])
    assert not await house.active(second["access_token"])
    assert refused(await house.refresh(second["refresh_token"]))
    (revoked,) = await house.events("GrantRevoked")
    assert revoked.data.aggregate() == house.claims(first["access_token"])["grant_id"]
    assert len(await house.events("RefreshTokenReused")) == 1


async def test_revocation_by_reuse_outlives_the_process(house: House, settings: Any) -> None:
    from auth_svc.testing import running_house

    first = await house.tokens("clara")
    second = (await house.refresh(first["refresh_token"])).json()
    refused(await house.refresh(first["refresh_token"]))
    async with running_house(settings, house.clock) as again:
        assert refused(await again.refresh(second["refresh_token"]))
        assert not await again.active(second["access_token"])


async def test_of_parallel_refreshes_exactly_one_wins_and_the_family_dies(house: House) -> None:
    first = await house.tokens("clara")
    answers = await asyncio.gather(*(house.refresh(first["refresh_token"]) for _ in range(50)))
    winners = [answer for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    assert all(refused(answer) for answer in answers if answer.status_code != 200)
    assert refused(await house.refresh(winners[0].json()["refresh_token"]))
    assert not await house.active(winners[0].json()["access_token"])


async def test_refresh_token_of_another_client_is_refused_and_left_alone(house: House) -> None:
    tokens = await house.tokens("clara", client="cli-proj")
    assert refused(await house.refresh(tokens["refresh_token"], client="gui-proj"))
    assert await house.active(tokens["access_token"])
    assert await house.events("GrantRevoked") == []
    assert (await house.refresh(tokens["refresh_token"])).status_code == 200


async def test_used_refresh_token_shown_by_another_client_revokes_nothing(house: House) -> None:
    first = await house.tokens("clara", client="cli-proj")
    second = (await house.refresh(first["refresh_token"])).json()
    assert refused(await house.refresh(first["refresh_token"], client="gui-proj"))
    assert await house.active(second["access_token"])


async def test_scope_can_be_narrowed_and_comes_back_rfc6749_6(house: House) -> None:
    first = await house.tokens("clara")
    narrow = (await house.refresh(first["refresh_token"], scope="shipments:read")).json()
    assert narrow["scope"] == "shipments:read"
    assert "id_token" not in narrow
    full = (await house.refresh(narrow["refresh_token"])).json()
    assert full["scope"] == OWN


async def test_wider_scope_is_invalid_scope_and_the_token_is_still_good(house: House) -> None:
    first = await house.tokens("clara", scope="offline_access shipments:read")
    for scope in ("shipments:read shipments:write", "openid", "nonsense"):
        assert refused(await house.refresh(first["refresh_token"], scope=scope), "invalid_scope")
    assert (await house.refresh(first["refresh_token"])).status_code == 200


async def test_roles_that_were_lost_narrow_the_next_token(house: House) -> None:
    first = await house.tokens("clara")
    profile = users.Profile(username="clara", name="Clara", email="", roles=("employee",), password=house.password)
    hashed = users.hash_password("clara", house.password)
    await house.app.ledger.database.work(
        lambda connection: house.app.accounts.ensure(connection, profile, password_hash=hashed)
    )
    second = (await house.refresh(first["refresh_token"])).json()
    assert second["scope"] == "openid profile email offline_access shipments:read"
    assert house.claims(second["access_token"])["roles"] == ["employee"]


async def test_unused_refresh_token_expires(house: House, settings: Any) -> None:
    tokens = await house.tokens("clara")
    house.clock.advance(settings.refresh_token_life)
    assert refused(await house.refresh(tokens["refresh_token"]))


async def test_sliding_life_ends_with_the_grant(house: House, settings: Any) -> None:
    token = (await house.tokens("clara"))["refresh_token"]
    for _ in range(3):
        house.clock.advance(timedelta(days=29))
        token = (await house.refresh(token)).json()["refresh_token"]
    house.clock.advance(timedelta(days=3))  # 90 days after the sign-in
    assert refused(await house.refresh(token))


@pytest.mark.parametrize("token", ["unknown", "ä", "a" * 5000])
async def test_unknown_refresh_token_is_invalid_grant(house: House, token: str) -> None:
    assert refused(await house.refresh(token))


async def test_disabled_user_cannot_refresh(house: House) -> None:
    tokens = await house.tokens("clara")
    subject = house.claims(tokens["access_token"])["sub"]
    await house.app.ledger.database.work(lambda connection: house.app.accounts.disable(connection, subject))
    assert refused(await house.refresh(tokens["refresh_token"]))


async def test_without_offline_access_there_is_no_refresh_token_oidc_11(house: House) -> None:
    assert "refresh_token" not in await house.tokens("clara", scope="openid shipments:read")


async def test_refresh_with_resource_narrows_this_token_only_rfc8707_2_2(house: House) -> None:
    first = await house.tokens("clara")
    narrow = (await house.refresh(first["refresh_token"], resource=house.resource)).json()
    assert house.claims(narrow["access_token"])["aud"] == house.resource
    full = (await house.refresh(narrow["refresh_token"])).json()
    assert house.claims(full["access_token"])["aud"] == [house.resource, house.issuer]


async def test_refresh_cannot_reach_a_resource_that_was_not_consented(house: House) -> None:
    first = await house.tokens("clara", resource=(house.resource,))
    assert refused(await house.refresh(first["refresh_token"], resource=house.issuer), "invalid_target")
    assert (await house.refresh(first["refresh_token"])).status_code == 200


async def test_confidential_client_must_authenticate_to_refresh(house: House) -> None:
    tokens = await house.tokens("clara", client="web", scope="offline_access shipments:read")
    answer = await house.refresh(tokens["refresh_token"], client="web")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert (await house.post("/token", form, client="web")).status_code == 200


async def test_refresh_tokens_are_kept_as_hashes_only(house: House, folder: Any) -> None:
    tokens = await house.tokens("clara")
    kept = b"".join(file.read_bytes() for file in folder.glob("auth.db*"))
    assert tokens["refresh_token"].encode() not in kept
    assert tokens["access_token"].encode() not in kept


def test_refusal_says_the_same_for_every_reason() -> None:
    from auth_svc.errors import InvalidGrant

    assert isinstance(InvalidGrant("a"), OAuthError)
    assert InvalidGrant("a").description == InvalidGrant("b").description
