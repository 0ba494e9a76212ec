"""RP-Initiated Logout 1.0 at /logout."""

from datetime import timedelta
from typing import Any

import pytest

from auth_svc.testing import House, Person, browsing, running_house

BYE = "https://shop.example/bye"


async def hello(person: Person) -> bool:
    return "Hello" in (await person.http.get("/")).text


async def test_hint_of_this_browsers_sign_in_ends_it_at_once_2(person: Person, house: House, id_token: str) -> None:
    await person.go("/logout", id_token_hint=id_token, post_logout_redirect_uri=BYE, state="a b&c")
    assert (person.page.status_code, person.page.headers["location"]) == (303, f"{BYE}?state=a%20b%26c")
    assert not await hello(person)
    (ended,) = await house.events("SessionEnded")
    (revoked,) = await house.events("SessionRevoked")
    assert ended.data.aggregate() == revoked.data.aggregate() == house.claims(id_token)["sid"]


async def test_registered_query_is_kept_and_state_comes_only_if_sent_3(person: Person, id_token: str) -> None:
    await person.go("/logout", id_token_hint=id_token, post_logout_redirect_uri=f"{BYE}?of=shop")
    assert person.page.headers["location"] == f"{BYE}?of=shop"
    await person.go("/logout", client_id="web", post_logout_redirect_uri=f"{BYE}?of=shop", state="s")
    assert person.page.headers["location"] == f"{BYE}?of=shop&state=s"


async def test_expired_hint_is_good_2(person: Person, house: House, id_token: str) -> None:
    house.clock.advance(timedelta(hours=11))
    await person.go("/logout", id_token_hint=id_token, post_logout_redirect_uri=BYE)
    assert person.page.headers["location"] == BYE
    assert not await hello(person)


async def test_post_from_the_applications_site_comes_without_our_cookie_2(person: Person, id_token: str) -> None:
    kept = dict(person.http.cookies)
    person.http.cookies.clear()
    form = {"id_token_hint": id_token, "post_logout_redirect_uri": BYE, "state": "s"}
    answer = await person.http.post("/logout", data=form, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 303
    assert id_token not in answer.headers["location"]
    for name, value in kept.items():
        person.http.cookies.set(name, value, domain="127.0.0.1", path="/")
    await person.follow(answer)
    assert person.page.headers["location"] == f"{BYE}?state=s"
    assert not await hello(person)


async def test_without_a_hint_the_person_is_asked_2(person: Person, id_token: str) -> None:
    await person.go("/logout", client_id="web", post_logout_redirect_uri=BYE, state="s")
    assert "Web shop" in person.page.text
    assert "form-action 'self' https://shop.example;" in person.page.headers["content-security-policy"]
    assert await hello(person)
    await person.submit()
    assert person.page.headers["location"] == f"{BYE}?state=s"
    assert not await hello(person)


async def test_without_anything_the_person_is_asked_and_stays_here_2(person: Person, id_token: str) -> None:
    assert "Sign out?" in (await person.go("/logout")).text
    assert "You are signed out" in (await person.submit()).text


async def test_hint_of_another_sign_in_is_suspect_so_the_person_is_asked_2(
    person: Person, house: House, id_token: str
) -> None:
    await person.sign_out()
    await person.sign_in("erin")
    await person.go("/logout", id_token_hint=id_token, post_logout_redirect_uri=BYE)
    assert "Erin" in person.page.text
    assert await hello(person)


async def test_nobody_signed_in_goes_straight_back_2(person: Person, id_token: str) -> None:
    await person.sign_out()
    await person.go("/logout", id_token_hint=id_token, post_logout_redirect_uri=BYE)
    assert person.page.headers["location"] == BYE
    assert "You are signed out" in (await person.go("/logout", id_token_hint=id_token)).text


@pytest.mark.parametrize(
    "bad",
    [
        {"post_logout_redirect_uri": f"{BYE}/"},
        {"post_logout_redirect_uri": f"{BYE}?x"},
        {"post_logout_redirect_uri": "https://SHOP.example/bye"},
        {"post_logout_redirect_uri": "https://shop.example/callback?of=shop"},
        {"post_logout_redirect_uri": "https://evil.example"},
        {"client_id": "cli-proj"},
        {"client_id": "nobody"},
        {"client_id": "nobody", "id_token_hint": None},
        {"client_id": None, "id_token_hint": None},
        {"id_token_hint": "x.y.z"},
        {"state": "\n"},
    ],
)
async def test_no_redirect_unless_all_of_it_fits_2_3_4(
    person: Person, id_token: str, bad: dict[str, str | None]
) -> None:
    good: dict[str, str | None] = {"id_token_hint": id_token, "client_id": "web", "post_logout_redirect_uri": BYE}
    params = {name: value for name, value in (good | bad).items() if value is not None}
    for method in ("GET", "POST"):
        sent = {"params": params} if method == "GET" else {"data": params}
        answer = await person.http.request(method, "/logout", **sent)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert "evil" not in answer.text
    assert await hello(person)


async def test_hint_must_be_an_id_token_of_ours(person: Person, house: House, id_token: str, settings: Any) -> None:
    access_token = (await house.tokens("clara"))["access_token"]
    elsewhere = settings.model_copy(update={"issuer": "http://127.0.0.1:9999"})
    async with running_house(elsewhere, house.clock) as other:
        foreign = (await other.tokens("clara"))["id_token"]
    for hint in (access_token, foreign, id_token[:-3] + "AAA"):
        answer = await person.http.get("/logout", params={"id_token_hint": hint})
        assert answer.status_code == 400
    assert await hello(person)


async def test_repeated_parameter_is_refused(person: Person, id_token: str) -> None:
    answer = await person.http.get(f"/logout?client_id=web&client_id=web&id_token_hint={id_token}")
    assert answer.status_code == 400


async def test_sealed_request_is_not_for_anybody_to_make(person: Person, id_token: str) -> None:
    for sealed in ("x.y", "https://evil.example"):
        assert (await person.http.get("/signout", params={"request": sealed})).status_code == 400


async def test_unsolicited_link_cannot_sign_out_without_a_question(house: House) -> None:
    async with browsing(house) as person:
        await person.sign_in("clara")
        await person.go("/logout", client_id="web", post_logout_redirect_uri=BYE)
        assert await hello(person)


async def test_metadata_names_the_endpoint(house: House) -> None:
    metadata = (await house.http.get("/.well-known/openid-configuration")).json()
    assert metadata["end_session_endpoint"] == f"{house.issuer}/logout"
