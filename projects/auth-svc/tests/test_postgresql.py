"""The same promises on a real PostgreSQL."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from auth_svc import grants
from auth_svc.testing import House

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def test_tokens_are_issued_introspected_and_revoked(house: House) -> None:
    answer = await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    assert answer.status_code == 200, answer.text
    assert await house.active(answer.json()["access_token"])
    tokens = await house.tokens("clara")
    assert await house.active(tokens["access_token"])
    await house.post("/revoke", {"token": tokens["access_token"], "client_id": "cli-proj"})
    assert not await house.active(tokens["access_token"])
    assert len(await house.events("TokenIssued")) == 2
    assert len(await house.events("TokenRevoked")) == 1


async def test_of_parallel_refreshes_exactly_one_wins_and_the_family_dies(house: House) -> None:
    first = await house.tokens("clara")
    answers = await asyncio.gather(*(house.refresh(first["refresh_token"]) for _ in range(50)))
    winners = [answer for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
    assert (await house.refresh(winners[0].json()["refresh_token"])).json()["error"] == "invalid_grant"
    assert not await house.active(winners[0].json()["access_token"])


async def test_people_sign_in_and_hostile_names_are_nobody(house: House) -> None:
    assert await house.app.passwords.authenticate("clara", house.password) is not None
    for name in ("nobody", "clara\x00", "ä" * 65, "\udc80"):
        assert await house.app.passwords.authenticate(name, house.password) is None


async def test_housekeeping_sweeps_every_table(house: House) -> None:
    tokens = await house.tokens("clara")
    house.clock.advance(timedelta(days=91))
    await house.app.housekeeping.sweep()
    find = partial(grants.find_refresh_token, token=tokens["refresh_token"])
    assert await house.app.ledger.database.read(find) is None
    assert (await house.http.get("/ready")).status_code == 200
