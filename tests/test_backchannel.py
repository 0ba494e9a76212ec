"""Backchannel authentication (CIBA), every part real: the client of lib_two, auth-svc and its page."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.testing import SECRET, SEED, House, Person, browsing, running_house, settings_in
from lib_one.http import Request, Response
from lib_one.testing import Clock, eventually
from lib_two import backchannel_flow
from lib_two.errors import OAuthError
from lib_two.oauth_client import OAuthClient

SCOPE = "openid offline_access shipments:read"
WHERE = "https://till.example/notified"
TILL = {
    "client_id": "till",
    "client_name": "Till",
    "secret": SECRET,
    "grant_types": ["urn:openid:params:grant-type:ciba", "refresh_token"],
    "scope": SCOPE,
}
TOLD_TILL = TILL | {
    "client_id": "told-till",
    "backchannel_token_delivery_mode": "ping",
    "backchannel_client_notification_endpoint": WHERE,
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    seed: dict[str, Any] = SEED | {"clients": [*SEED["clients"], TILL, TOLD_TILL]}
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    async with running_house(settings_in(tmp_path), Clock()) as running:
        yield running


@pytest.fixture
async def person(house: House) -> AsyncIterator[Person]:
    async with browsing(house) as somebody:
        yield somebody


def oauth(house: House, client_id: str) -> OAuthClient:
    return OAuthClient(house.issuer, client_id, client_secret=SECRET, http=house.http, now=house.clock)


async def answer(person: Person, decision: str) -> None:
    await person.go("/requests")
    await person.sign_in("clara")
    assert "Order 4711" in person.page.text
    await person.submit(decision=decision)


@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_client_that_polls_hears_what_the_person_said_ciba_11(
    house: House, person: Person, decision: str
) -> None:
    polls: list[float] = []

    async def sleep(seconds: float) -> None:
        polls.append(seconds)
        house.clock.advance(timedelta(seconds=seconds))
        if len(polls) == 3:
            await answer(person, decision)

    async with oauth(house, "till") as client:
        asked = await backchannel_flow.start(client, scope=SCOPE, login_hint="clara", binding_message="Order 4711")
        if decision == "deny":
            with pytest.raises(OAuthError) as caught:
                await backchannel_flow.wait(client, asked, sleep=sleep)
            assert caught.value.code == "access_denied"
        else:
            tokens = await backchannel_flow.wait(client, asked, sleep=sleep)
            assert tokens.refresh_token
            assert (await client.refresh(tokens.refresh_token)).scope == SCOPE
            assert (await client.userinfo(tokens.access_token))["sub"]
    assert polls == [5, 5, 5]


async def test_client_that_is_told_fetches_its_tokens_ciba_10_2(house: House, person: Person) -> None:
    told: list[tuple[str, Any]] = []

    def notified(request: Request) -> Response:
        told.append((request.headers["authorization"], json.loads(request.content)))
        return Response(204)

    house.web[WHERE] = notified
    token = backchannel_flow.new_notification_token()
    async with oauth(house, "told-till") as client:
        asked = await backchannel_flow.start(
            client, scope=SCOPE, login_hint="clara", binding_message="Order 4711", notification_token=token
        )
        await answer(person, "allow")
        await eventually(lambda: told)
        assert told[0] == (f"Bearer {token}", {"auth_req_id": asked.auth_req_id})
        assert (await backchannel_flow.fetch(client, asked)).id_token
