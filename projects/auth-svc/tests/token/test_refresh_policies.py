"""Refresh tokens by client: rotated or not, and the grace for parallel ones (OAuth 2.1 4.3.1, FAPI 2.0 5.3.2.1)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth_svc.clients import ClientMetadata, NewClient, RegistrationError
from auth_svc.settings import Settings
from auth_svc.testing import SECRET, House

SCOPE = "openid offline_access shipments:read"


both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


class Shop:
    """A confidential client with a policy, and the tokens that it got for Clara."""

    def __init__(self, house: House, tokens: dict[str, Any]) -> None:
        self.house = house
        self.tokens = tokens
        self.token: str = tokens["refresh_token"]

    async def refresh(self, token: str | None = None, **more: str) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": token or self.token}
        return await self.house.post("/token", form | more, client="shop")


async def shop(house: House, **policy: Any) -> Shop:
    new = NewClient(
        client_id="shop",
        client_name="Shop",
        secret=SECRET,
        grant_types=("authorization_code", "refresh_token"),
        scope=SCOPE,
        redirect_uris=("https://shop.example/callback",),
        **policy,
    )
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))
    return Shop(house, await house.tokens("clara", client="shop", scope=SCOPE))


def refused(answer: Any) -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), answer.text
    return True


# --- rotation -------------------------------------------------------------------------------------------------------


@both
async def test_without_rotation_the_token_stays_and_may_be_used_in_parallel_fapi2_5_3_2_1(house: House) -> None:
    client = await shop(house, rotate_refresh_tokens=False)
    answers = await asyncio.gather(*(client.refresh() for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert not any("refresh_token" in answer.json() for answer in answers)
    assert (await client.refresh()).status_code == 200
    assert await house.events("GrantRevoked") == []


async def test_without_rotation_each_use_is_good_for_another_life(house: House, settings: Settings) -> None:
    client = await shop(house, rotate_refresh_tokens=False)
    for _ in range(2):
        house.clock.advance(settings.refresh_token_life - timedelta(minutes=1))
        assert (await client.refresh()).status_code == 200
    house.clock.advance(settings.refresh_token_life)
    assert refused(await client.refresh())


async def test_without_rotation_the_grant_still_ends(house: House, settings: Settings) -> None:
    client = await shop(house, rotate_refresh_tokens=False)
    for _ in range(3):
        house.clock.advance(timedelta(days=29))
        assert (await client.refresh()).status_code == 200
    house.clock.advance(timedelta(days=3))
    assert refused(await client.refresh())


async def test_without_rotation_revocation_ends_the_token_rfc7009_2_1(house: House) -> None:
    client = await shop(house, rotate_refresh_tokens=False)
    await house.post("/revoke", {"token": client.token}, client="shop")
    assert refused(await client.refresh())


async def test_confidential_client_rotates_unless_told_otherwise_rfc9700_4_14(house: House) -> None:
    client = await shop(house)
    second = (await client.refresh()).json()
    assert second["refresh_token"] != client.token
    assert refused(await client.refresh())
    assert not await house.active(second["access_token"])


def test_who_rotates_by_default() -> None:
    """FAPI 2.0 section 5.3.2.1 forbids routine rotation, OAuth 2.1 section 4.3.1 wants it of public clients."""
    assert ClientMetadata().rotates
    assert not ClientMetadata(profile="fapi2").rotates
    assert ClientMetadata(profile="fapi2", rotate_refresh_tokens=True).rotates
    assert not ClientMetadata(rotate_refresh_tokens=False).rotates
    assert ClientMetadata(token_endpoint_auth_method="none").rotates
    assert ClientMetadata(token_endpoint_auth_method="none", profile="fapi2").rotates


@pytest.mark.parametrize(
    "policy",
    [
        {"token_endpoint_auth_method": "none", "rotate_refresh_tokens": False},
        {"refresh_grace": -1},
        {"refresh_grace": 61},
    ],
)
async def test_unfit_policy_is_not_registered(house: House, policy: dict[str, Any]) -> None:
    if policy.get("token_endpoint_auth_method") != "none":
        policy = policy | {"secret": SECRET}
    new = NewClient(client_id="shop", client_name="Shop", **policy)
    with pytest.raises(RegistrationError):
        await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


# --- grace ----------------------------------------------------------------------------------------------------------


@both
async def test_of_50_parallel_refreshes_without_grace_one_wins_rfc9700_4_14(house: House) -> None:
    client = await shop(house)
    answers = await asyncio.gather(*(client.refresh() for _ in range(50)))
    winners = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    assert all(refused(answer) for answer in answers if answer.status_code != 200)
    assert refused(await client.refresh(winners[0]["refresh_token"]))
    assert not await house.active(winners[0]["access_token"])


@both
async def test_of_50_parallel_refreshes_with_grace_all_get_the_same_successor(house: House) -> None:
    client = await shop(house, refresh_grace=10)
    answers = await asyncio.gather(*(client.refresh() for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    (successor,) = {answer.json()["refresh_token"] for answer in answers}
    assert successor != client.token
    assert len(successor) == 43
    assert len({answer.json()["access_token"] for answer in answers}) == 50
    assert (await client.refresh(successor)).status_code == 200
    assert await house.events("RefreshTokenReused") == []


async def test_grace_is_bounded_in_time(house: House) -> None:
    client = await shop(house, refresh_grace=10)
    second = (await client.refresh()).json()
    house.clock.advance(timedelta(seconds=9))
    assert (await client.refresh()).json()["refresh_token"] == second["refresh_token"]
    house.clock.advance(timedelta(seconds=1))
    assert refused(await client.refresh())
    assert refused(await client.refresh(second["refresh_token"]))
    assert len(await house.events("RefreshTokenReused")) == 1


async def test_grace_ends_with_the_grant(house: House, settings: Settings) -> None:
    client = await shop(house, refresh_grace=60)
    step, token = settings.refresh_token_life - timedelta(minutes=1), client.token
    ends_in = settings.grant_life - timedelta(seconds=10)
    while ends_in > step:
        ends_in -= step
        house.clock.advance(step)
        token = (await client.refresh(token)).json()["refresh_token"]
    house.clock.advance(ends_in)
    assert (await client.refresh(token)).status_code == 200
    house.clock.advance(timedelta(seconds=10))
    assert refused(await client.refresh(token))


async def test_grace_ends_when_the_successor_is_used(house: House) -> None:
    client = await shop(house, refresh_grace=60)
    second = (await client.refresh()).json()["refresh_token"]
    third = (await client.refresh(second)).json()["refresh_token"]
    assert refused(await client.refresh())
    assert refused(await client.refresh(third))


async def test_grace_does_not_open_a_revoked_family(house: House) -> None:
    client = await shop(house, refresh_grace=60)
    second = (await client.refresh()).json()["refresh_token"]
    await house.post("/revoke", {"token": second}, client="shop")
    assert refused(await client.refresh())


async def test_grace_widens_nothing(house: House) -> None:
    client = await shop(house, refresh_grace=60)
    second = (await client.refresh()).json()["refresh_token"]
    answer = await client.refresh(scope="openid shipments:write")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert (await client.refresh(second)).status_code == 200


async def test_grace_is_for_the_client_of_the_family_alone(house: House) -> None:
    client = await shop(house, refresh_grace=60)
    second = (await client.refresh()).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": client.token}
    assert refused(await house.post("/token", form, client="web"))
    assert (await client.refresh(second)).status_code == 200


async def test_successor_is_kept_as_a_hash_and_is_not_to_be_derived_from_the_token_alone(house: House) -> None:
    """Two houses with keys of their own make different successors of one token."""
    from auth_svc.secret_key import KeyedHash
    from auth_svc.token import Refresh

    def successor(key: bytes) -> str:
        app = house.app
        refresh = Refresh(app.ledger, app.resources, app.revocation, KeyedHash(key), life=timedelta(days=1))
        return refresh._successor("the token")

    assert successor(b"a" * 32) == successor(b"a" * 32)
    assert successor(b"a" * 32) != successor(b"b" * 32)
    client = await shop(house, refresh_grace=60)
    second = (await client.refresh()).json()["refresh_token"]
    folder = house.app.settings.secret_key_file.parent
    assert second.encode() not in b"".join(file.read_bytes() for file in folder.glob("*.db*"))
