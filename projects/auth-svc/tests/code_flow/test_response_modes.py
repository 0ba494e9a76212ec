"""How an answer travels: query, form_post (OAuth 2.0 Form Post Response Mode) and signed (JARM)."""

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from auth_svc.clients import NewClient
from auth_svc.protocol import AUTHORIZATION_CODE
from auth_svc.testing import LOOPBACK, PageForm

WEB = {"client_id": "web", "redirect_uri": "https://shop.example/callback?of=shop", "scope": "openid shipments:read"}


async def signed(house: Any, token: str, *, algorithm: str = "ES256") -> dict[str, Any]:
    """The claims of a signed answer, checked as a client would."""
    keys = KeySet.import_key_set((await house.http.get("/jwks")).json())
    found = jwt.decode(token, keys, algorithms=[algorithm])
    assert found.header["alg"] == algorithm
    return dict(found.claims)


async def test_form_post_brings_the_code_in_a_form_form_post_2(person: Any, house: Any) -> None:
    await person.authorize(response_mode="form_post", state="\"><script>alert('x')</script>&amp;")
    await person.sign_in("clara")
    page = await person.submit(decision="allow")
    assert page.status_code == 200
    form = PageForm(page.text)
    assert form.action == LOOPBACK
    assert set(form.fields) == {"code", "state", "iss"}
    assert form.fields["state"] == "\"><script>alert('x')</script>&amp;"
    assert form.fields["iss"] == house.issuer
    assert "alert('x')</script>" not in page.text
    assert (await person.redeem(form.fields["code"])).status_code == 200


async def test_form_post_page_runs_our_script_only_and_posts_to_the_client_only(person: Any) -> None:
    await person.authorize(**WEB, response_mode="form_post", prompt="none")
    page = person.page
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self' https://shop.example; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.text.count("<script") == 1
    script = await person.http.get(page.text.split('<script src="')[1].split('"')[0])
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"
    assert "submit()" in script.text


async def test_refusal_is_posted_too_form_post_2(person: Any, house: Any) -> None:
    await person.authorize(response_mode="form_post", scope="unknown")
    form = PageForm(person.page.text)
    assert form.action == LOOPBACK
    assert form.fields["error"] == "invalid_scope"
    assert (form.fields["state"], form.fields["iss"]) == ("the state", house.issuer)
    assert "csrf" not in form.fields


async def test_no_form_is_posted_to_a_private_use_scheme(person: Any, house: Any) -> None:
    native = NewClient(
        client_id="native",
        client_name="Native",
        token_endpoint_auth_method="none",
        grant_types=(AUTHORIZATION_CODE,),
        scope="openid",
        redirect_uris=("com.example.native:/callback",),
    )
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, native))
    native_way = {"client_id": "native", "redirect_uri": "com.example.native:/callback", "scope": "openid"}
    await person.authorize(**native_way, response_mode="form_post")
    assert person.page.headers["location"].startswith("com.example.native:/callback?error=invalid_request")


@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
async def test_signed_answer_in_the_query_jarm_2_3_1(person: Any, house: Any, mode: str) -> None:
    await person.authorize(response_mode=mode)
    await person.sign_in("clara")
    await person.submit(decision="allow")
    assert set(person.answer) == {"response"}
    claims = await signed(house, person.answer["response"])
    assert set(claims) == {"iss", "aud", "exp", "code", "state"}
    assert (claims["iss"], claims["aud"], claims["state"]) == (house.issuer, "cli-proj", "the state")
    assert 0 < claims["exp"] - house.clock().timestamp() <= 600
    assert (await person.redeem(claims["code"])).status_code == 200


async def test_signed_refusal_jarm_2_1(person: Any, house: Any) -> None:
    await person.authorize(response_mode="jwt", prompt="none")
    claims = await signed(house, person.answer["response"])
    assert set(claims) == {"iss", "aud", "exp", "error", "error_description", "state"}
    assert claims["error"] == "login_required"


async def test_signed_answer_in_a_form_jarm_2_3_3(person: Any, house: Any) -> None:
    await person.authorize(**WEB, response_mode="form_post.jwt", prompt="none")
    form = PageForm(person.page.text)
    assert form.action == WEB["redirect_uri"]
    assert set(form.fields) == {"response"}
    assert (await signed(house, form.fields["response"]))["aud"] == "web"


async def test_client_chooses_the_algorithm_jarm_3(person: Any, house: Any) -> None:
    web = NewClient(
        client_id="signs",
        client_name="Signs",
        token_endpoint_auth_method="none",
        grant_types=(AUTHORIZATION_CODE,),
        scope="openid",
        redirect_uris=(LOOPBACK,),
        authorization_signed_response_alg="RS256",
    )
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, web))
    await person.authorize(client_id="signs", response_mode="jwt", prompt="none", scope="openid")
    assert (await signed(house, person.answer["response"], algorithm="RS256"))["aud"] == "signs"


async def test_signed_answer_is_no_id_token_hint(person: Any) -> None:
    await person.authorize(response_mode="jwt", prompt="none")
    await person.code(id_token_hint=person.answer["response"])
    assert person.answer["code"]


async def test_pushed_request_has_its_mode_rfc9126_2_1(person: Any) -> None:
    uri = (await person.push(response_mode="form_post", prompt="none")).json()["request_uri"]
    page = await person.go("/authorize", client_id="cli-proj", request_uri=uri, response_mode="query")
    assert PageForm(page.text).fields["error"] == "login_required"


@pytest.mark.parametrize("mode", ["fragment", "fragment.jwt", "web_message", "QUERY", "query form_post"])
async def test_other_modes_are_refused_by_query(person: Any, mode: str) -> None:
    await person.authorize(response_mode=mode)
    assert person.answer["error"] == "invalid_request"


async def test_metadata_names_modes_and_algorithms_jarm_4(house: Any) -> None:
    document = (await house.http.get("/.well-known/openid-configuration")).json()
    assert document["response_modes_supported"] == ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
    assert "ES256" in document["authorization_signing_alg_values_supported"]
    assert "none" not in document["authorization_signing_alg_values_supported"]
