"""What acts for a person, and the end of it."""

from datetime import timedelta
from typing import Any

from auth_svc.protocol import DEVICE_CODE
from auth_svc.testing import PASSWORD, House, PageForm, Person

WEB: dict[str, str | None] = {"client_id": "web", "redirect_uri": "https://shop.example/callback?of=shop"}
OWN = "openid offline_access shipments:read"


async def withdraw(person: Person, client_id: str) -> Any:
    """Press the button of one application."""
    page = await person.go("/consents")
    csrf = PageForm(page.text).fields["csrf"]
    return await person.http.post("/consents", data={"csrf": csrf, "client_id": client_id})


async def test_stranger_signs_in_first(person: Person) -> None:
    assert 'name="password"' in (await person.go("/consents")).text
    page = await person.sign_in("clara")
    assert "Applications that act for you" in page.text
    assert "There are none." in page.text


async def test_list_has_names_scopes_and_days_of_this_person_alone(house: House, person: Person) -> None:
    await house.tokens("clara", scope=OWN)
    house.clock.advance(timedelta(days=1))
    first = await house.tokens("clara", scope="offline_access shipments:scan")
    await house.tokens("dan", client="gui-proj", scope=OWN)
    begun, renewed = house.clock() - timedelta(days=1), house.clock() + timedelta(days=2)
    house.clock.advance(timedelta(days=2))
    await house.refresh(first["refresh_token"])
    await person.sign_in("clara")
    page = (await person.go("/consents")).text
    assert page.count("<section") == 1
    assert "Command line" in page
    assert "Shipment board" not in page
    assert "Know who you are · Stay connected · Look at shipments · Record scans" in page
    assert f'Since <time datetime="{begun.isoformat()}">' in page
    assert f'last used on <time datetime="{renewed.isoformat()}">' in page


async def test_withdrawing_ends_every_grant_of_that_application_for_that_person(house: House, person: Person) -> None:
    mine = [await house.tokens("clara", scope=OWN) for _ in range(2)]
    others = [await house.tokens("dan", scope=OWN), await house.tokens("clara", client="gui-proj", scope=OWN)]
    await person.sign_in("clara")
    answer = await withdraw(person, "cli-proj")
    assert (answer.status_code, answer.headers["location"]) == (303, "/consents/withdrawn")
    for tokens in mine:
        assert not await house.active(tokens["access_token"])
        assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    for tokens in others:
        assert await house.active(tokens["access_token"])
    revoked = {event.data.aggregate() for event in await house.events("GrantRevoked")}
    assert revoked == {house.claims(tokens["access_token"])["grant_id"] for tokens in mine}
    assert "Shipment board" in (await person.go("/consents")).text
    assert "Command line" not in person.page.text
    await withdraw(person, "cli-proj")
    assert len(await house.events("GrantRevoked")) == 2


async def test_withdrawn_consent_is_asked_for_again(house: House, person: Person) -> None:
    await person.code("clara", **WEB)
    assert await person.code("clara", **WEB)  # remembered: not asked
    assert "Web shop" in (await person.go("/consents")).text
    await withdraw(person, "web")
    page = await person.authorize(**WEB)
    assert "Allow" in page.text


async def test_code_and_short_token_of_a_withdrawn_application_are_worth_nothing(house: House, person: Person) -> None:
    await house.tokens("clara", scope=OWN)
    short = (await person.redeem(await person.code("clara", scope="shipments:read"))).json()
    waiting = await person.code("clara", scope=OWN)
    await withdraw(person, "cli-proj")
    assert not await house.active(short["access_token"])
    assert (await person.redeem(waiting)).json()["error"] == "invalid_grant"


async def test_device_that_was_allowed_and_then_withdrawn_gets_nothing(house: House, person: Person) -> None:
    await house.tokens("clara", scope=OWN)
    begun = (await house.post("/device_authorization", {"client_id": "cli-proj", "scope": OWN})).json()
    await person.sign_in("clara")
    await person.go("/device")
    await person.submit(user_code=begun["user_code"])
    await person.submit(decision="allow")
    await withdraw(person, "cli-proj")
    form = {"grant_type": DEVICE_CODE, "client_id": "cli-proj", "device_code": begun["device_code"]}
    assert (await house.post("/token", form)).json()["error"] == "invalid_grant"


async def test_access_that_is_over_is_not_listed(house: House, person: Person, settings: Any) -> None:
    await house.tokens("clara", scope=OWN)
    house.clock.advance(settings.refresh_token_life)
    await person.sign_in("clara")
    assert "There are none." in (await person.go("/consents")).text


async def test_form_of_another_page_or_without_an_application_is_refused(house: House, person: Person) -> None:
    tokens = await house.tokens("clara", scope=OWN)
    await person.sign_in("clara")
    assert (await person.http.post("/consents", data={"client_id": "cli-proj"})).status_code == 403
    csrf = PageForm((await person.go("/consents")).text).fields["csrf"]
    assert (await person.http.post("/consents", data={"csrf": csrf})).status_code == 400
    assert (await withdraw(person, "nobody")).status_code == 303
    await person.sign_out()
    assert (await person.http.post("/consents", data={"csrf": csrf, "client_id": "cli-proj"})).status_code == 403
    assert PASSWORD not in person.page.text
    assert await house.active(tokens["access_token"])
