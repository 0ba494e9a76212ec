"""People who make accounts for themselves, and `prompt=create` (Initiating User Registration 1.0)."""

import html
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import browsing, running_house, settings_in
from auth_svc.users import everyone
from lib_one.testing import Clock

NEW = {"name": "Nora New", "email": "nora@example.com", "username": "nora", "password": "correct horse"}


@pytest.fixture
def settings(folder: Path) -> Settings:
    return settings_in(folder, self_registration=True, self_registration_roles=("employee",))


async def usernames(house: Any) -> set[str]:
    return {user.username for user in await house.app.ledger.database.read(everyone)}


async def follow_link(person: Any, words: str) -> Any:
    found = re.search(rf'<a href="([^"]*)">{words}</a>', person.page.text)
    assert found is not None, person.page.text
    return await person.go(html.unescape(found[1]))


async def test_prompt_create_makes_the_account_and_goes_on_to_the_client_section_4_1(person: Any, house: Any) -> None:
    page = await person.authorize(prompt="create")
    assert "Create an account" in page.text
    assert "to continue to" in page.text
    page = await person.submit(**NEW)
    assert "Nora New" in page.text  # the consent page
    await person.submit(decision="allow")
    tokens = (await person.redeem(person.answer["code"])).json()
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    claims = (await person.http.get("/userinfo", headers=headers)).json()
    assert (claims["name"], claims["roles"]) == ("Nora New", ["employee"])
    assert "nora" in {event.data.username for event in await house.events("UserRegistered")}


async def test_who_is_signed_in_is_asked_too_and_may_sign_in_instead(person: Any, clock: Clock) -> None:
    await person.sign_in("clara")
    clock.advance(timedelta(seconds=1))
    page = await person.authorize(prompt="create")
    assert "Create an account" in page.text
    await follow_link(person, "Sign in")
    page = await person.sign_in("clara")
    assert "Clara Clerk" in page.text
    await person.submit(decision="allow")
    assert "code" in person.answer


async def test_create_with_none_makes_no_sense_oidc_core_3_1_2_1(person: Any) -> None:
    await person.authorize(prompt="create none")
    assert person.answer["error"] == "invalid_request"


async def test_sign_in_page_leads_there_and_the_errand_goes_along(person: Any) -> None:
    await person.authorize()
    page = await follow_link(person, "Create an account")
    assert "to continue to" in page.text
    page = await person.submit(**NEW)
    assert "Allow" in page.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "CLARA"}, "The user name is taken"),
        ({"username": ""}, "A user name has"),
        ({"password": "short"}, "A password has 8 to 256 characters"),
        ({"password": "x" * 257}, "A password has 8 to 256 characters"),
        ({"email": "nora"}, "That is not an e-mail address"),
        ({"email": "nora @example.com"}, "That is not an e-mail address"),
        ({"email": f"{'n' * 250}@example.com"}, "An e-mail address has 254 characters"),
        ({"name": " "}, "Your name has"),
        ({"name": "a" * 121}, "Your name has"),
    ],
)
async def test_what_cannot_be_is_said_and_nothing_is_made(
    person: Any, house: Any, change: dict[str, str], words: str
) -> None:
    before = await usernames(house)
    await person.go("/register")
    page = await person.submit(**NEW | change)
    assert page.status_code == 400
    assert words in page.text
    assert NEW["password"] not in page.text
    assert await usernames(house) == before


async def test_an_address_tries_twenty_times_and_waits_then(person: Any, clock: Clock, house: Any) -> None:
    await person.go("/register")
    for _ in range(20):
        assert (await person.submit(**NEW | {"password": "short"})).status_code == 400
    page = await person.submit(**NEW)
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) == 180
    clock.advance(timedelta(seconds=180))
    await person.submit(**NEW)
    assert "nora" in await usernames(house)


async def test_whose_browser_it_was_before_is_signed_out(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    await person.go("/register")
    page = await person.submit(**NEW)
    assert "Nora New" in page.text
    assert len(await house.events("SessionEnded")) == 1


async def test_form_of_another_site_is_refused(person: Any, house: Any) -> None:
    answer = await person.http.post("/register", data=NEW)
    assert answer.status_code == 400
    assert "nora" not in await usernames(house)


async def test_discovery_tells_of_it_section_4_2(person: Any) -> None:
    document = (await person.http.get("/.well-known/openid-configuration")).json()
    assert "create" in document["prompt_values_supported"]


@pytest.fixture
async def closed(folder: Path) -> AsyncIterator[Any]:
    async with running_house(settings_in(folder), Clock()) as house, browsing(house) as person:
        yield person


async def test_where_it_is_closed_there_is_no_page_and_no_prompt(closed: Any) -> None:
    assert (await closed.http.get("/register")).status_code == 404
    assert "Create an account" not in (await closed.go("/signin")).text
    await closed.authorize(prompt="create")
    assert closed.answer["error"] == "invalid_request"
    document = (await closed.http.get("/.well-known/openid-configuration")).json()
    assert "create" not in document["prompt_values_supported"]
