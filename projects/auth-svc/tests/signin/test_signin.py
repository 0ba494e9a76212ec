"""/signin, /signout, / and the session between them."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc import users
from auth_svc.signin.flow import FROM_KNOWN_BROWSER, FROM_ONE_ADDRESS
from auth_svc.testing import browsing, running_house

SESSION = "auth_svc_session"


async def disable_clara(house: Any) -> None:
    def unit(connection: Any) -> None:
        clara = users.find_by_username(connection, "clara")
        assert clara
        house.app.accounts.disable(connection, clara.user_id)

    await house.app.ledger.database.work(unit)


def cookie_header(person: Any) -> str:
    return "; ".join(f"{name}={value}" for name, value in person.http.cookies.items())


async def test_sign_in_starts_a_session_with_a_guarded_cookie(person: Any, house: Any) -> None:
    form = await person.go("/signin")
    csrf = re.search(r'name="csrf" value="(\w+)"', form.text)
    assert csrf
    data = {"csrf": csrf[1], "username": "Clara", "password": house.password}
    answer = await person.http.post("/signin", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(SESSION))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Max-Age=43200" in cookie
    assert "Domain" not in cookie
    (started,) = await house.events("SessionStarted")
    assert started.data.methods == ("pwd",)
    assert "Hello, Clara Clerk" in (await person.go("/")).text


async def test_cookies_of_an_https_issuer_are_secure_and_host_bound(settings: Any, clock: Any) -> None:
    public = settings.model_copy(update={"issuer": "https://id.example"})
    async with running_house(public, clock) as house, browsing(house) as person:
        await person.sign_in("clara")
        assert "Hello" in person.page.text
        assert person.page.headers["strict-transport-security"]
        cookies = {cookie.name: cookie for cookie in person.http.cookies.jar}
        assert set(cookies) == {"__Host-session", "__Host-visit", "__Host-known"}
        assert all(cookie.secure and cookie.path == "/" for cookie in cookies.values())


@pytest.mark.parametrize(
    ("username", "password"),
    [("clara", "wrong"), ("nobody", "wrong"), ("", ""), ("clara", ""), ("x" * 5000, "x"), ("clara", "x" * 5000)],
)
async def test_every_failure_has_the_same_words_and_is_told_without_the_name(
    person: Any, house: Any, username: str, password: str
) -> None:
    page = await person.sign_in(username, password)
    assert page.status_code == 403
    assert "The username or the password is not right." in page.text
    assert SESSION not in person.http.cookies
    (failed,) = await house.events("SignInFailed")
    assert re.fullmatch(r"[0-9a-f]{64}", failed.data.username_hash)
    assert not password or f'value="{password}"' not in page.text


async def test_failure_of_a_disabled_account_has_the_same_words(person: Any, house: Any) -> None:
    await disable_clara(house)
    assert "The username or the password is not right." in (await person.sign_in("clara")).text


async def test_session_secret_is_fresh_at_every_sign_in(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    first = person.http.cookies[SESSION]
    before = cookie_header(person)
    await person.go("/signin")
    assert "Hello" in person.page.text  # already signed in: no form
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(prompt="login")
    await person.sign_in("clara")
    assert person.http.cookies[SESSION] != first
    person.http.cookies.clear()
    old = await person.http.get("/", headers={"cookie": before})
    assert "Welcome" in old.text


async def test_planted_session_cookie_is_not_taken_over(person: Any) -> None:
    person.http.cookies.set(SESSION, "planted-by-somebody-else", domain="127.0.0.1", path="/")
    await person.sign_in("clara")
    assert "planted" not in str(person.http.cookies)
    assert "Hello" in person.page.text


async def test_signing_in_as_somebody_else_ends_the_session_before(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(prompt="login")
    await person.sign_in("dan")
    first, second = await house.events("SessionStarted")
    assert first.data.session_id != second.data.session_id
    assert [event.data.session_id for event in await house.events("SessionEnded")] == [first.data.session_id]
    assert [event.data.session_id for event in await house.events("SessionRevoked")] == [first.data.session_id]


async def test_confirming_oneself_keeps_the_session_id(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=1))
    await person.authorize(prompt="login")
    await person.sign_in("clara")
    first, second = await house.events("SessionStarted")
    assert first.data.session_id == second.data.session_id
    assert await house.events("SessionRevoked") == []


async def test_sign_in_within_the_second_of_a_revocation_gives_tokens_that_are_good(
    person: Any, house: Any, waited: list[float]
) -> None:
    """`iat` has whole seconds (RFC 7519 section 2), so a token of that second would count as issued before."""
    before = (await person.redeem(await person.code("clara"))).json()["access_token"]
    assert waited == []
    clara = house.claims(before)["sub"]
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, clara))
    house.clock.advance(timedelta(milliseconds=1))
    after = (await person.redeem(await person.code("clara"))).json()["access_token"]
    assert len(waited) == 1
    assert await house.active(after)
    assert not await house.active(before)
    (fact,) = await house.events("SubjectRevoked")
    issued = {token: datetime.fromtimestamp(house.claims(token)["iat"], UTC) for token in (before, after)}
    assert issued[before] <= fact.data.not_before < issued[after]  # as every resource server compares


async def test_session_ends_after_twelve_hours(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    house.clock.advance(timedelta(hours=12) - timedelta(seconds=1))
    assert "Hello" in (await person.go("/")).text
    house.clock.advance(timedelta(seconds=1))
    person.http.cookies.set("x", "y")  # the browser would have dropped the cookie; ours must not count either
    assert "Welcome" in (await person.go("/")).text


async def test_session_of_a_disabled_person_is_void(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=1))
    await disable_clara(house)
    assert "Welcome" in (await person.go("/")).text


async def test_session_secret_is_hashed_at_rest(person: Any, folder: Path) -> None:
    await person.sign_in("clara")
    secret = person.http.cookies[SESSION].encode()
    assert not [file for file in folder.iterdir() if secret in file.read_bytes()]


async def test_sign_out_ends_and_revokes_the_session(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    before = cookie_header(person)
    page = await person.go("/signout")
    assert "Clara Clerk" in page.text
    await person.submit()
    assert "You are signed out" in person.page.text
    assert SESSION not in person.http.cookies
    (ended,) = await house.events("SessionEnded")
    (revoked,) = await house.events("SessionRevoked")
    assert ended.data.session_id == revoked.data.session_id
    assert "Welcome" in (await person.http.get("/", headers={"cookie": before})).text
    person.page = page
    person.http.cookies.clear()
    assert (await person.submit()).status_code == 400


async def test_sign_out_needs_the_form(person: Any, house: Any) -> None:
    await person.sign_in("clara")
    assert (await person.http.post("/signout", data={"a": "b"})).status_code == 403
    assert (await person.http.post("/signout", data={"csrf": "x"})).status_code == 403
    assert "Hello" in (await person.go("/")).text


async def test_return_address_must_be_sealed_here_rfc9700_4_11(person: Any, house: Any) -> None:
    for to in ("https://evil.example", "//evil.example", "/consent", "x.y", ".", "\x00"):
        answer = await person.http.get("/signin", params={"to": to})
        assert answer.status_code == 400, to
        assert "evil" not in answer.text
    await person.authorize()
    house.clock.advance(timedelta(hours=2))
    assert (await person.submit(username="clara", password=house.password)).status_code == 400


async def test_guesses_from_one_address_are_slowed_down_and_never_locked_out(person: Any, house: Any) -> None:
    for _ in range(FROM_ONE_ADDRESS.burst):
        assert (await person.sign_in("clara", "wrong")).status_code == 403
    slowed = await person.sign_in("clara")
    assert slowed.status_code == 429
    assert 0 < int(slowed.headers["retry-after"]) <= 60
    assert "Too many attempts" in slowed.text
    house.clock.advance(timedelta(seconds=int(slowed.headers["retry-after"])))
    assert "Hello" in (await person.sign_in("clara")).text


async def test_unknown_account_is_slowed_down_alike(person: Any) -> None:
    for _ in range(FROM_ONE_ADDRESS.burst):
        assert (await person.sign_in("nobody", "wrong")).status_code == 403
    assert (await person.sign_in("nobody", "wrong")).status_code == 429


async def test_strangers_cannot_lock_somebody_out(person: Any, stranger: Any) -> None:
    for _ in range(FROM_ONE_ADDRESS.burst + 3):
        await stranger.sign_in("clara", "wrong")
    assert (await stranger.sign_in("clara")).status_code == 429
    assert "Hello" in (await person.sign_in("clara")).text


async def test_known_browser_has_a_limit_of_its_own(person: Any, house: Any) -> None:
    """Somebody at the same address guesses; the browser where Clara has signed in before is not held up."""
    await person.sign_in("clara")
    await person.sign_out()
    known = person.http.cookies["auth_svc_known"]
    person.http.cookies.delete("auth_svc_known")
    for _ in range(FROM_ONE_ADDRESS.burst + 1):
        await person.sign_in("clara", "wrong")
    assert (await person.sign_in("clara")).status_code == 429
    person.http.cookies.set("auth_svc_known", known, domain="127.0.0.1", path="/")
    assert "Hello" in (await person.sign_in("clara")).text


async def test_known_browser_is_slowed_down_too(person: Any) -> None:
    await person.sign_in("clara")
    await person.sign_out()
    for _ in range(FROM_KNOWN_BROWSER.burst):
        assert (await person.sign_in("clara", "wrong")).status_code == 403
    assert (await person.sign_in("clara", "wrong")).status_code == 429


async def test_parallel_guesses_do_not_slip_past_the_limit(person: Any) -> None:
    form = await person.go("/signin")
    csrf = re.search(r'name="csrf" value="(\w+)"', form.text)
    assert csrf
    data = {"csrf": csrf[1], "username": "clara", "password": "wrong"}
    answers = await asyncio.gather(*(person.http.post("/signin", data=data) for _ in range(25)))
    codes = [answer.status_code for answer in answers]
    assert codes.count(403) + codes.count(503) <= FROM_ONE_ADDRESS.burst
    assert codes.count(429) >= 25 - FROM_ONE_ADDRESS.burst - codes.count(503)
    assert set(codes) <= {403, 429, 503}


async def test_right_passwords_do_not_count(person: Any, house: Any) -> None:
    for _ in range(FROM_ONE_ADDRESS.burst * 2):
        person.http.cookies.clear()
        assert "Hello" in (await person.sign_in("clara")).text


async def test_one_password_for_many_accounts_is_slowed_down(person: Any) -> None:
    codes = [(await person.sign_in(f"user{number}", "wrong")).status_code for number in range(31)]
    assert codes == [403] * 30 + [429]


async def test_full_password_queue_says_so_and_takes_nothing(person: Any, house: Any, monkeypatch: Any) -> None:
    await person.go("/signin")
    monkeypatch.setattr(house.app.passwords, "under_way", 1000)
    page = await person.sign_in("clara")
    assert page.status_code == 503
    assert page.headers["retry-after"]
    monkeypatch.setattr(house.app.passwords, "under_way", 0)
    assert "Hello" in (await person.sign_in("clara")).text
