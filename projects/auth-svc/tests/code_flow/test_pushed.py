"""POST /par, and /authorize with what was pushed (RFC 9126)."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from auth_svc.clients import NewClient
from auth_svc.code_flow.pushed import LIFE
from auth_svc.protocol import AUTHORIZATION_CODE
from auth_svc.testing import SECRET, settings_in

WEB = {"redirect_uri": "https://shop.example/callback?of=shop", "scope": "openid shipments:read"}


async def pushed(person: Any, **params: str | None) -> str:
    answer = await person.push(**params)
    assert answer.status_code == 201, answer.text
    uri: str = answer.json()["request_uri"]
    return uri


async def add(house: Any, **changes: Any) -> None:
    usual: dict[str, Any] = {
        "client_id": "bank",
        "client_name": "Bank",
        "secret": SECRET,
        "grant_types": (AUTHORIZATION_CODE,),
        "scope": "openid shipments:read",
        "redirect_uris": ("https://bank.example/callback",),
    }
    new = NewClient(**(usual | changes))
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))


async def test_pushed_request_is_answered_201_with_a_reference_rfc9126_2_2(person: Any) -> None:
    answer = await person.push()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"request_uri", "expires_in"}
    prefix, _, secret = body["request_uri"].rpartition(":")
    assert prefix == "urn:ietf:params:oauth:request_uri"
    assert len(secret) == 43
    assert 0 < body["expires_in"] < 600


async def test_whole_flow_with_a_pushed_request_rfc9126_4(person: Any, house: Any) -> None:
    uri = await pushed(person, state="kept from the browser", nonce="n-1")
    page = await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    assert 'name="password"' in page.text
    await person.sign_in("clara")
    assert "kept" not in str(person.page.request.url)
    await person.submit(decision="allow")
    assert person.answer["state"] == "kept from the browser"
    assert person.answer["iss"] == house.issuer
    tokens = (await person.redeem(person.answer["code"])).json()
    assert house.claims(tokens["id_token"])["nonce"] == "n-1"


async def test_what_was_pushed_never_travels_through_the_browser(person: Any) -> None:
    uri = await pushed(person, state="s-e-c-r-e-t", login_hint="clara")
    first = await person.http.get("/authorize", params={"client_id": "cli-proj", "request_uri": uri})
    sealed = first.headers["location"].partition("request=")[2].partition(".")[0]
    assert len(sealed) < 120
    assert uri.rpartition(":")[2] not in first.headers["location"]


async def test_post_with_a_reference_works_like_get_oidc_core_3_1_2_1(person: Any) -> None:
    uri = await pushed(person)
    await person.follow(await person.http.post("/authorize", data={"client_id": "cli-proj", "request_uri": uri}))
    await person.sign_in("clara")
    await person.submit(decision="allow")
    assert person.answer["code"]


async def test_reference_works_once_and_its_page_can_be_loaded_again_rfc9126_4(person: Any) -> None:
    uri = await pushed(person)
    await person.sign_in("clara")
    page = await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    assert "Allow" in page.text
    assert "Allow" in (await person.go(str(page.request.url))).text
    again = await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    assert again.status_code == 400
    assert "was used already" in again.text


async def test_pushed_request_gives_one_code_even_without_a_question(person: Any) -> None:
    await person.code(client_id="web", **WEB)
    uri = await pushed(person, client="web", **WEB)
    first = await person.http.get("/authorize", params={"client_id": "web", "request_uri": uri})
    await person.follow(await person.http.get(first.headers["location"]))
    assert person.answer["code"]
    assert (await person.go(first.headers["location"])).status_code == 409


async def test_reference_expires_rfc9126_2_2(person: Any, house: Any) -> None:
    uri = await pushed(person)
    house.clock.advance(LIFE)
    page = await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    assert (page.status_code, "location" in page.headers) == (400, False)


async def test_person_may_take_longer_than_the_reference_lives(person: Any, house: Any) -> None:
    uri = await pushed(person)
    await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    house.clock.advance(LIFE * 2)
    await person.sign_in("clara")
    await person.submit(decision="allow")
    assert person.answer["code"]


async def test_reference_is_for_the_client_that_pushed_it_rfc9126_2_2(person: Any) -> None:
    uri = await pushed(person)
    page = await person.go("/authorize", client_id="gui-proj", request_uri=uri)
    assert page.status_code == 400
    assert "Sign in" in (await person.go("/authorize", client_id="cli-proj", request_uri=uri)).text


async def test_reference_without_client_id_is_a_page_rfc9126_4(person: Any) -> None:
    uri = await pushed(person)
    assert (await person.go("/authorize", request_uri=uri)).status_code == 400


async def test_parameters_beside_the_reference_are_ignored_rfc9101_6_3(person: Any) -> None:
    uri = await pushed(person)
    outside = {"redirect_uri": "https://evil.example/", "state": "other", "scope": "email", "prompt": "none"}
    await person.go("/authorize", client_id="cli-proj", request_uri=uri, **outside)
    await person.sign_in("clara")
    assert "See your e-mail address" not in person.page.text
    await person.submit(decision="allow")
    assert person.answer["state"] == "the state"
    assert person.page.headers["location"].startswith("http://127.0.0.1:53412/callback?")


async def test_prompt_login_means_a_sign_in_after_the_person_came(person: Any, house: Any) -> None:
    """A sign-in for something else, between the push and the arrival, does not count."""
    uri = await pushed(person, prompt="login")
    house.clock.advance(timedelta(seconds=10))
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=10))
    page = await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    assert 'name="password"' in page.text


@pytest.mark.parametrize("uri", ["https://x.example/r", "urn:ietf:params:oauth:request_uri", "data:,x"])
async def test_references_of_others_are_not_supported_oidc_core_3_1_2_6(person: Any, uri: str) -> None:
    await person.authorize(request_uri=uri)
    assert person.answer["error"] == "request_uri_not_supported"


async def test_reference_given_twice_consumes_nothing(person: Any) -> None:
    uri = await pushed(person)
    pairs = [*person.request().items(), ("request_uri", uri), ("request_uri", uri)]
    await person.go(f"/authorize?{urlencode(pairs)}")
    assert person.answer["error"] == "invalid_request"
    assert "Sign in" in (await person.go("/authorize", client_id="cli-proj", request_uri=uri)).text


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"nonce": "a\x00b"}, "invalid_request"),
    ],
)
async def test_refusal_is_json_and_goes_nowhere_else_rfc9126_2_3(
    person: Any, changes: dict[str, str | None], error: str
) -> None:
    answer = await person.push(**changes)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "location" not in answer.headers


async def test_client_authenticates_as_at_the_token_endpoint_rfc9126_2(person: Any, house: Any) -> None:
    form = person.request(client_id="web", **WEB)
    assert (await house.post("/par", form)).status_code == 401
    wrong = await house.http.post("/par", data=form, headers=house.basic("web", "x" * 40))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert (await house.post("/par", form | {"client_secret": SECRET})).status_code == 401
    assert (await house.post("/par", form, client="web")).status_code == 201
    assert (await house.post("/par", form, client="app-svc")).status_code == 400


async def test_client_id_is_required_in_the_body_rfc9126_2_1(person: Any, house: Any) -> None:
    form = person.request(client_id="web", **WEB)
    del form["client_id"]
    assert (await house.post("/par", form, client="web")).json()["error"] == "invalid_request"


async def test_only_post_and_forms_and_nothing_too_large_rfc9126_2_3(person: Any, house: Any) -> None:
    refused = await house.http.get("/par")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")
    assert (await house.http.post("/par", json=person.request())).status_code == 400
    assert (await person.push(state="x" * 70_000)).status_code == 413


async def test_large_request_is_no_problem_when_it_is_pushed(person: Any) -> None:
    uri = await pushed(person, state="x" * 30_000)
    await person.go("/authorize", client_id="cli-proj", request_uri=uri)
    await person.sign_in("clara")
    await person.submit(decision="allow")
    assert person.answer["state"] == "x" * 30_000


async def test_largest_request_that_goes_through_the_browser_can_be_answered(person: Any) -> None:
    """Quotes become two characters in JSON, and all of it grows by a third twice on its way through the pages."""
    await person.authorize(state='"' * 2_800)
    await person.sign_in("clara")
    await person.submit(decision="allow")
    assert person.answer["state"] == '"' * 2_800


async def test_request_that_no_page_could_carry_is_refused_at_once(person: Any) -> None:
    await person.authorize(state='"' * 3_500)
    assert person.answer["error"] == "invalid_request"
    assert "PAR" in person.answer["error_description"]


async def test_resource_may_be_repeated_rfc8707_2(person: Any, house: Any) -> None:
    pairs = [*person.request().items(), ("resource", house.resource), ("resource", house.issuer)]
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await house.http.post("/par", content=urlencode(pairs), headers=headers)).status_code == 201


async def test_strangers_cannot_fill_the_table_rfc9126_2_3(person: Any, house: Any) -> None:
    answers = [await person.push() for _ in range(61)]
    assert [answer.status_code for answer in answers] == [201] * 60 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert (await person.push(client="web", **WEB)).status_code == 201


async def test_client_can_be_held_to_pushing_rfc9126_6(person: Any, house: Any) -> None:
    await add(house, require_pushed_authorization_requests=True)
    redirect = {"redirect_uri": "https://bank.example/callback"}
    await person.authorize(client_id="bank", **redirect)
    assert person.answer["error"] == "invalid_request"
    assert "PAR" in person.answer["error_description"]
    uri = await pushed(person, client="bank", **redirect)
    assert "Sign in" in (await person.go("/authorize", client_id="bank", request_uri=uri)).text


async def test_client_that_was_disabled_meanwhile_gets_nothing(person: Any, house: Any) -> None:
    from auth_svc import clients

    await add(house)
    uri = await pushed(person, client="bank", redirect_uri="https://bank.example/callback")
    await person.go("/authorize", client_id="bank", request_uri=uri)
    await house.app.ledger.database.work(lambda c: clients.disable(c, "bank", house.clock()))
    house.app.clients.forget("bank")
    assert (await person.sign_in("clara")).status_code == 400


async def test_metadata_names_the_endpoint_rfc9126_5(house: Any) -> None:
    document = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert document["pushed_authorization_request_endpoint"] == f"{house.issuer}/par"
    assert document["require_pushed_authorization_requests"] is False


async def test_expired_requests_are_forgotten(person: Any, house: Any) -> None:
    from auth_svc.code_flow.store import pushed_requests

    await pushed(person)
    house.clock.advance(timedelta(days=2))
    await house.app.housekeeping.sweep()
    assert await house.app.ledger.database.read(lambda c: c.execute(pushed_requests.select()).all()) == []


class TestWhenAllMustPush:
    """`AUTH_SVC_REQUIRE_PUSHED_AUTHORIZATION_REQUESTS`."""

    @pytest.fixture
    def settings(self, folder: Path) -> Any:
        return settings_in(folder, require_pushed_authorization_requests=True)

    async def test_server_can_hold_everybody_to_pushing_rfc9126_5(self, person: Any, house: Any) -> None:
        await person.authorize()
        assert person.answer["error"] == "invalid_request"
        uri = await pushed(person)
        assert "Sign in" in (await person.go("/authorize", client_id="cli-proj", request_uri=uri)).text
        document = (await house.http.get("/.well-known/openid-configuration")).json()
        assert document["require_pushed_authorization_requests"] is True


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
class TestParallelArrivals:
    """One reference, fifty browsers: on SQLite and on PostgreSQL."""

    async def test_of_fifty_exactly_one_wins_rfc9126_4(self, person: Any) -> None:
        uri = await pushed(person)
        asked = {"client_id": "cli-proj", "request_uri": uri}
        answers = await asyncio.gather(*(person.http.get("/authorize", params=asked) for _ in range(50)))
        assert sorted(answer.status_code for answer in answers) == [303] + [400] * 49
