"""GET and POST /authorize: what may be asked, and how a refusal travels."""

from typing import Any
from urllib.parse import urlencode

import pytest

from auth_svc.clients import NewClient
from auth_svc.protocol import DEVICE_CODE

WEB = {"client_id": "web", "redirect_uri": "https://shop.example/callback?of=shop"}


async def test_whole_code_flow_gives_tokens_oauth21_4_1(person: Any, house: Any) -> None:
    code = await person.code("clara", scope="openid profile offline_access shipments:read", nonce="n-1")
    answer = await person.redeem(code)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["scope"] == "openid profile offline_access shipments:read"
    assert tokens["refresh_token"]
    assert tokens["id_token"]
    assert answer.headers["cache-control"] == "no-store"
    (consent,) = await house.events("ConsentGranted")
    assert consent.data.client_id == "cli-proj"


async def test_success_carries_code_state_and_iss_rfc9207_2(person: Any, house: Any) -> None:
    await person.code(state="a b+c/ä&=%")
    assert person.page.status_code == 303
    assert person.answer["state"] == "a b+c/ä&=%"
    assert person.answer["iss"] == house.issuer
    assert set(person.answer) == {"code", "state", "iss"}
    assert "code_challenge" not in person.page.headers["location"]


async def test_without_state_none_is_sent_back(person: Any) -> None:
    await person.code(state=None)
    assert "state" not in person.answer


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "nobody"},
        {"client_id": "nobody\x00"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:53412/other"},
        {"redirect_uri": "http://127.0.0.1:53412/callback/"},
        {"redirect_uri": "http://127.0.0.1:53412/callback?x=1"},
        {"redirect_uri": "http://127.0.0.1:53412/callback#x"},
        {"redirect_uri": "http://127.0.0.1:0/callback"},
        {"redirect_uri": "http://127.0.0.1:99999/callback"},
        {"redirect_uri": "http://127.0.0.1:@evil.example/callback"},
        {"redirect_uri": "http://localhost:53412/callback"},
        {"redirect_uri": "https://127.0.0.1:53412/callback"},
        {"redirect_uri": "http://127.0.0.2:53412/callback"},
        {"redirect_uri": "HTTP://127.0.0.1:53412/callback"},
    ],
)
async def test_bad_client_or_redirect_uri_is_a_page_and_never_a_redirect_oauth21_2_3_4(
    person: Any, changes: dict[str, str | None]
) -> None:
    page = await person.authorize(**changes)
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")
    assert "location" not in page.headers
    assert "evil" not in page.text


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1/callback", "http://127.0.0.1:1/callback", "http://[::1]:65535/callback"]
)
async def test_any_loopback_port_fits_rfc8252_7_3(person: Any, uri: str) -> None:
    await person.code(redirect_uri=uri)
    assert person.page.headers["location"].startswith(uri + "?")


async def test_registered_query_of_the_redirect_uri_is_kept_oauth21_2_3(person: Any) -> None:
    await person.authorize(**WEB, scope="email", response_type="token")
    assert person.page.headers["location"].startswith("https://shop.example/callback?of=shop&error=")


async def test_only_registered_redirect_uri_may_be_left_out_oauth21_2_3_2(person: Any) -> None:
    await person.authorize(client_id="web", redirect_uri=None, response_type="token")
    assert person.page.headers["location"].startswith("https://shop.example/callback?of=shop&error=")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "=" * 43}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"scope": 'open"id'}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "٣"}, "invalid_request"),
        ({"request": "eyJ"}, "invalid_request_object"),
        ({"request_uri": "https://x.example/r"}, "request_uri_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"nonce": "a\x00b"}, "invalid_request"),
        ({"login_hint": "a\nb"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_refusal_goes_back_with_state_and_iss_oauth21_4_1_2_1(
    person: Any, house: Any, changes: dict[str, str | None], error: str
) -> None:
    await person.authorize(**changes)
    assert person.page.status_code == 303
    assert person.answer["error"] == error
    assert person.answer["state"] == "the state"
    assert person.answer["iss"] == house.issuer
    assert person.answer["error_description"].isascii()
    assert person.page.headers["cache-control"] == "no-store"


async def test_pkce_is_required_of_confidential_clients_too_rfc9700_2_1_1(person: Any) -> None:
    await person.authorize(**WEB, scope="email", code_challenge=None)
    assert person.answer["error"] == "invalid_request"


async def test_client_without_the_grant_is_unauthorized_oauth21_4_1_2_1(person: Any, house: Any) -> None:
    poller = NewClient(
        client_id="poller",
        client_name="Poller",
        token_endpoint_auth_method="none",
        grant_types=(DEVICE_CODE,),
        scope="openid",
        redirect_uris=("http://127.0.0.1/callback",),
    )
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, poller))
    await person.authorize(client_id="poller")
    assert person.answer["error"] == "unauthorized_client"


@pytest.mark.parametrize("name", ["response_type", "scope", "code_challenge", "state", "prompt", "unknown"])
async def test_repeated_parameter_is_invalid_request_oauth21_3_1(person: Any, name: str) -> None:
    pairs = [*person.request(prompt="login", unknown="x").items(), (name, "again")]
    await person.go(f"/authorize?{urlencode(pairs)}")
    assert person.answer["error"] == "invalid_request"
    assert ("state" in person.answer) == (name != "state")


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_repeated_client_id_or_redirect_uri_is_a_page(person: Any, name: str) -> None:
    request = person.request()
    page = await person.http.get(f"/authorize?{urlencode([*request.items(), (name, request[name])])}")
    assert page.status_code == 400


async def test_resource_may_be_repeated_rfc8707_2(person: Any, house: Any) -> None:
    pairs = [*person.request().items(), ("resource", house.resource), ("resource", house.issuer)]
    page = await person.go(f"/authorize?{urlencode(pairs)}")
    assert page.status_code == 200


async def test_empty_parameter_is_an_absent_one_and_unknown_ones_are_ignored_oauth21_3_1(person: Any) -> None:
    locales = {"ui_locales": "de", "claims_locales": "de"}
    await person.code(request="", prompt="", max_age="", display="page", claims="{}", acr_values="", **locales)
    assert person.answer["code"]


@pytest.mark.parametrize(
    "query", ["client_id=%ff", "client_id=\xff", "%", "&&&=", "client_id=cli-proj&state=%ed%a0%80"]
)
async def test_undecodable_query_is_a_page(person: Any, query: str) -> None:
    page = await person.http.get(f"/authorize?{query}")
    assert page.status_code == 400
    assert "text/html" in page.headers["content-type"]


async def test_endless_query_is_refused(person: Any) -> None:
    page = await person.http.get("/authorize", params={"state": "x" * 20_000})
    assert page.status_code == 413


async def test_post_is_supported_and_its_answer_is_a_get_oidc_core_3_1_2_1(person: Any) -> None:
    await person.follow(await person.http.post("/authorize", data=person.request()))
    assert "Sign in" in person.page.text
    await person.sign_in("clara")
    await person.submit(decision="allow")
    assert person.answer["code"]


async def test_post_from_another_site_finds_the_session_on_the_get_that_follows(person: Any) -> None:
    """SameSite=Lax cookies do not come with a POST from elsewhere."""
    await person.sign_in("clara")
    crossing = await person.http.post("/authorize", data=person.request(), headers={"cookie": "none=1"})
    assert crossing.status_code == 303
    page = await person.go(crossing.headers["location"])
    assert "Allow" in page.text


async def test_post_of_json_or_too_much_is_a_page(person: Any) -> None:
    assert (await person.http.post("/authorize", json=person.request())).status_code == 415
    assert (await person.http.post("/authorize", data={"state": "x" * 10_000_000})).status_code == 413
    assert (await person.http.put("/authorize")).status_code == 405


async def test_no_cors_at_the_authorization_endpoint_oauth21_3_1(person: Any) -> None:
    for method in ("GET", "OPTIONS"):
        answer = await person.http.request(method, "/authorize", headers={"origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]
