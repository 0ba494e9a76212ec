"""The flows on PostgreSQL, where two transactions really run at once."""

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def test_code_is_redeemed_once_and_replay_revokes(person: Any, house: Any) -> None:
    code = await person.code(scope="openid offline_access shipments:read", nonce="n")
    answers = await asyncio.gather(*(person.redeem(code) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert await house.events("GrantRevoked")
    tokens = next(answer for answer in answers if answer.status_code == 200).json()
    assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_consent_is_answered_once(person: Any, house: Any) -> None:
    from auth_svc.testing import PageForm

    await person.authorize()
    await person.sign_in("clara")
    form = PageForm(person.page.text)
    answers = await asyncio.gather(
        *(person.http.post(form.action, data=form.fields | {"decision": "allow"}) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 4
    assert len(await house.events("ConsentGranted")) == 1


async def test_device_flow_and_its_parallel_polls(person: Any, house: Any) -> None:
    begun = (await house.post("/device_authorization", {"client_id": "cli-proj", "scope": "openid"})).json()
    await person.go(begun["verification_uri_complete"])
    await person.sign_in("clara")
    await person.submit()
    await person.submit(decision="allow")
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "cli-proj",
        "device_code": begun["device_code"],
    }
    answers = await asyncio.gather(*(house.post("/token", form) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49


async def test_parallel_guesses_all_count(person: Any) -> None:
    from auth_svc.testing import PageForm

    await person.go("/signin")
    form = PageForm(person.page.text)
    guess = form.fields | {"username": "clara", "password": "wrong"}
    answers = await asyncio.gather(*(person.http.post("/signin", data=guess) for _ in range(14)))
    codes = [answer.status_code for answer in answers]
    assert codes.count(403) <= 10
    assert codes.count(429) == 4
