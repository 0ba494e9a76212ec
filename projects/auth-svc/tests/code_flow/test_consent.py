"""Who must be asked: sign-in, consent, prompt and max_age."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from auth_svc.clients.registration import FIRST_PARTY

WEB = {"client_id": "web", "redirect_uri": "https://shop.example/callback?of=shop", "scope": "openid shipments:read"}


async def test_consent_page_names_client_host_person_and_scopes(person: Any) -> None:
    await person.authorize(**WEB)
    page = await person.sign_in("clara")
    for words in ("Web shop", "shop.example", "Clara Clerk", "Look at shipments", "Know who you are"):
        assert words in page.text
    assert "Record scans" not in page.text
    assert "form-action 'self' https://shop.example;" in page.headers["content-security-policy"]


async def test_scope_is_what_client_and_person_may_both_have(person: Any) -> None:
    await person.authorize(scope="shipments:read shipments:scan shipments:write unknown")
    page = await person.sign_in("erin")
    assert "Look at shipments" in page.text
    assert "Record scans" not in page.text
    assert "Register shipments" not in page.text
    assert "asked for more than your role may give" in page.text
    await person.submit(decision="allow")
    tokens = (await person.redeem(person.answer["code"])).json()
    assert tokens["scope"] == "shipments:read"


async def test_nothing_left_for_the_person_is_invalid_scope(person: Any) -> None:
    await person.authorize(scope="shipments:scan")
    await person.sign_in("erin")
    assert person.answer["error"] == "invalid_scope"


async def test_deny_is_access_denied_with_state_and_iss(person: Any, house: Any) -> None:
    await person.authorize()
    await person.sign_in("clara")
    await person.submit(decision="deny")
    assert person.page.status_code == 303
    assert (person.answer["error"], person.answer["state"]) == ("access_denied", "the state")
    assert person.answer["iss"] == house.issuer


async def test_public_client_asks_every_time_rfc8252_8_6(person: Any) -> None:
    await person.code()
    page = await person.authorize()
    assert "Allow" in page.text


async def test_confidential_client_asks_once_for_the_same_scope(person: Any, house: Any) -> None:
    await person.code(**WEB)
    await person.authorize(**WEB)
    assert person.answer["code"]
    await person.authorize(**(WEB | {"scope": "openid"}))
    assert person.answer["code"]
    page = await person.authorize(**(WEB | {"scope": "openid email"}))
    assert "Allow" in page.text
    assert len(await house.events("ConsentGranted")) == 1


async def test_consent_of_one_person_is_not_that_of_another(person: Any, stranger: Any) -> None:
    await person.code("clara", **WEB)
    await stranger.authorize(**WEB)
    assert "Allow" in (await stranger.sign_in("dan")).text


async def test_second_answer_changes_nothing_and_is_explained(person: Any) -> None:
    await person.authorize()
    page = await person.sign_in("clara")
    await person.submit(decision="allow")
    for decision in ("allow", "deny"):
        person.page = page
        again = await person.submit(decision=decision)
        assert again.status_code == 409
        assert "You have answered already" in again.text


async def test_answer_that_is_neither_allow_nor_deny_is_refused(person: Any) -> None:
    await person.authorize()
    await person.sign_in("clara")
    assert (await person.submit(decision="maybe")).status_code == 400


async def test_forged_or_stale_request_is_a_page(person: Any, house: Any) -> None:
    await person.authorize()
    page = await person.sign_in("clara")
    for sealed in ("", "x", "x.y", "ä.b", "a" * 5000):
        assert (await person.http.get("/consent", params={"request": sealed})).status_code == 400
    house.clock.advance(timedelta(hours=2))
    person.page = page
    assert (await person.submit(decision="allow")).status_code == 400


@pytest.mark.parametrize("client", [{}, WEB])
async def test_prompt_none_never_shows_a_page_oidc_core_3_1_2_1(person: Any, client: dict[str, str]) -> None:
    await person.authorize(**client, prompt="none")
    assert person.answer["error"] == "login_required"
    await person.sign_in("clara")
    await person.authorize(**client, prompt="none")
    assert person.answer["error"] == "consent_required"


async def test_prompt_none_gives_a_code_after_consent(person: Any, house: Any) -> None:
    await person.code(**WEB)
    await person.authorize(**WEB, prompt="none")
    assert person.answer["code"]
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(**WEB, prompt="none", max_age="0")
    assert person.answer["error"] == "login_required"


@pytest.mark.parametrize("again", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}])
async def test_prompt_login_and_max_age_ask_for_the_password_again(
    person: Any, house: Any, again: dict[str, str]
) -> None:
    await person.code(**WEB)
    house.clock.advance(timedelta(seconds=61))
    page = await person.authorize(**WEB, **again)
    assert 'name="password"' in page.text
    assert "Please confirm that it is you" in page.text
    assert 'value="clara"' in page.text
    await person.sign_in("clara")
    assert person.answer["code"]


async def test_sign_in_that_grows_too_old_on_the_consent_page_is_asked_for_again(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(max_age="60")
    house.clock.advance(timedelta(seconds=60))
    page = await person.submit(decision="allow")
    assert "Please confirm that it is you" in page.text


async def test_max_age_is_content_with_a_young_sign_in(person: Any, house: Any) -> None:
    await person.code(**WEB)
    house.clock.advance(timedelta(seconds=59))
    await person.authorize(**WEB, max_age="60")
    assert person.answer["code"]


async def test_password_cannot_be_skipped_by_going_to_the_consent_page(person: Any, house: Any) -> None:
    await person.code(**WEB)
    house.clock.advance(timedelta(seconds=1))
    first = await person.http.get("/authorize", params=person.request(**WEB, prompt="login"))
    assert first.headers["location"].startswith("/signin?")
    second = await person.http.post("/authorize", data=person.request(**WEB, prompt="login"), headers={"cookie": "a=b"})
    page = await person.go(second.headers["location"])
    assert 'name="password"' in page.text


@pytest.mark.parametrize("prompt", ["consent", "select_account", "consent select_account"])
async def test_prompt_consent_and_select_account_show_the_consent_page(person: Any, prompt: str) -> None:
    await person.code(**WEB)
    page = await person.authorize(**WEB, prompt=prompt)
    assert "Allow" in page.text
    assert "Not you?" in page.text


async def test_login_hint_fills_the_username_in(person: Any) -> None:
    page = await person.authorize(login_hint='dan"><script>')
    assert "dan&#34;&gt;&lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert "Command line" in page.text


async def test_not_you_leads_to_another_account_and_back(person: Any) -> None:
    await person.authorize()
    page = await person.sign_in("clara")
    switch = page.text.split('<a href="/signin?to=')[1].split('"')[0]
    page = await person.go(f"/signin?to={switch}")
    assert 'value="clara"' not in page.text
    assert "confirm" not in page.text
    page = await person.sign_in("dan")
    assert "Dan Driver" in page.text
    await person.submit(decision="allow")
    assert person.answer["code"]


async def test_consent_page_of_another_sign_in_is_out_of_date(person: Any) -> None:
    """Two windows: what Clara was shown must not be allowed in Dan's name."""
    await person.authorize()
    shown_to_clara = await person.sign_in("clara")
    switch = shown_to_clara.text.split('<a href="/signin?to=')[1].split('"')[0]
    await person.go(f"/signin?to={switch}")
    await person.sign_in("dan")
    person.page = shown_to_clara
    answer = await person.submit(decision="allow")
    assert answer.status_code == 403
    assert "out of date" in answer.text


async def test_id_token_hint_that_is_none_of_ours_is_ignored(person: Any) -> None:
    await person.code(id_token_hint="eyJhbGciOiJub25lIn0.e30.")


async def test_id_token_hint_allows_its_person_only_oidc_core_3_1_2_1(person: Any, house: Any) -> None:
    hint = (await person.redeem(await person.code("clara"))).json()["id_token"]
    await person.code("clara", **WEB)
    house.clock.advance(timedelta(days=1))
    await person.authorize(**WEB, id_token_hint=hint)
    await person.sign_in("clara")
    assert person.answer["code"]
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(prompt="login")
    await person.sign_in("dan")
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(**WEB, id_token_hint=hint, prompt="none")
    assert person.answer["error"] == "login_required"
    page = await person.authorize(**WEB, id_token_hint=hint)
    assert 'name="password"' in page.text
    await person.sign_in("dan")
    assert person.answer["error"] == "login_required"


async def test_redirect_uri_that_was_withdrawn_meanwhile_gets_nothing(person: Any, house: Any) -> None:
    await person.authorize()
    page = await person.sign_in("clara")
    moved = msgspec.structs.replace(FIRST_PARTY[0], redirect_uris=("http://127.0.0.1/elsewhere",))
    await house.app.ledger.database.work(lambda c: house.app.registration.ensure(c, moved))
    house.app.clients.forget("cli-proj")
    person.page = page
    assert (await person.submit(decision="allow")).status_code == 400
