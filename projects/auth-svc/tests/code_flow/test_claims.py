"""The parameters `claims` and `acr_values`, and the defaults of a client in their place (OIDC Core section 5.5)."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from auth_svc.clients import NewClient
from auth_svc.signin import ACR_VALUES
from auth_svc.testing import House, Person

PASSWORD_CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
WEB = {"client_id": "web", "redirect_uri": "https://shop.example/callback?of=shop", "scope": "openid shipments:read"}


def claims(**members: Any) -> str:
    return json.dumps(members)


async def register(house: House, **changes: Any) -> None:
    """A client like cli-proj, with changes."""
    usual = {
        "client_id": "special",
        "client_name": "Special",
        "token_endpoint_auth_method": "none",
        "grant_types": ("authorization_code", "refresh_token"),
        "scope": "openid profile email offline_access shipments:read",
        "redirect_uris": ("http://127.0.0.1/callback",),
    }
    new = msgspec.convert(usual | changes, NewClient)
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))


async def userinfo(house: House, tokens: dict[str, Any]) -> dict[str, Any]:
    answer = await house.http.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    found: dict[str, Any] = answer.json()
    return found


async def test_claims_are_told_where_they_were_asked_for_oidc_core_5_5(person: Person, house: House) -> None:
    asked = claims(
        userinfo={"email": None, "phone_number": {"essential": True}}, id_token={"name": {"essential": True}}
    )
    await person.authorize(scope="openid", claims=asked)
    page = await person.sign_in("clara")
    assert "See your e-mail address" in page.text
    assert "See your profile" in page.text
    await person.submit(decision="allow")
    tokens = (await person.redeem(person.answer["code"])).json()
    assert tokens["scope"] == "openid"
    told = await userinfo(house, tokens)
    assert told == {"sub": house.claims(tokens["id_token"])["sub"], "email": "clara@example.com"}
    id_token = house.claims(tokens["id_token"])
    assert id_token["name"] == "Clara Clerk"
    assert "email" not in id_token


async def test_claims_stay_with_the_grant_when_it_is_refreshed_oidc_core_12_2(person: Person, house: House) -> None:
    asked = claims(userinfo={"email": None}, id_token={"name": None})
    tokens = (await person.redeem(await person.code(scope="openid offline_access", claims=asked))).json()
    refreshed = (await house.refresh(tokens["refresh_token"])).json()
    assert (await userinfo(house, refreshed))["email"] == "clara@example.com"
    assert house.claims(refreshed["id_token"])["name"] == "Clara Clerk"


async def test_client_is_told_nothing_that_its_own_scope_could_not_tell(person: Person, house: House) -> None:
    await register(house, scope="openid profile")
    asked = claims(userinfo={"email": {"essential": True}, "name": None})
    await person.authorize(client_id="special", scope="openid", claims=asked)
    assert "e-mail" not in (await person.sign_in("clara")).text
    await person.submit(decision="allow")
    tokens = (await person.redeem(person.answer["code"], client_id="special")).json()
    assert set(await userinfo(house, tokens)) == {"sub", "name"}


async def test_remembered_consent_does_not_cover_claims_that_are_new(person: Person) -> None:
    await person.code(**WEB)
    asked = claims(userinfo={"email": None})
    assert "See your e-mail address" in (await person.authorize(**WEB, claims=asked)).text
    await person.submit(decision="allow")
    await person.authorize(**WEB, claims=asked)
    assert person.answer["code"]


async def test_claims_without_openid_tell_nothing(person: Person, house: House) -> None:
    code = await person.code(scope="shipments:read", claims=claims(userinfo={"email": None}))
    tokens = (await person.redeem(code)).json()
    assert "userinfo_claims" not in house.claims(tokens["access_token"])


@pytest.mark.parametrize(
    "malformed",
    [
        "x",
        "[]",
        '"x"',
        "null",
        '{"userinfo":[]}',
        '{"id_token":{"email":"yes"}}',
        '{"id_token":{"email":{"essential":"yes"}}}',
        '{"id_token":{"sub":{"values":"x"}}}',
        '{"id_token":{"sub":{"value":NaN}}}',
        '{"userinfo":{"\\ud800":null}}',
        "[" * 4000,
        '{"x":' * 1000,
    ],
)
async def test_malformed_claims_are_invalid_request(person: Person, malformed: str) -> None:
    await person.authorize(claims=malformed)
    assert person.answer["error"] == "invalid_request"


async def test_members_and_claims_that_are_not_understood_are_ignored_oidc_core_5_5(person: Person) -> None:
    odd = {"userinfo": None, "verified_claims": 3, "id_token": {"x": {"value": 1, "more": []}, "email": {"value": 1}}}
    assert await person.code(claims=json.dumps(odd))


async def test_another_person_than_the_one_asked_for_is_no_success_oidc_core_5_5_1(
    person: Person, house: House
) -> None:
    clara = house.claims((await person.redeem(await person.code("clara"))).json()["id_token"])["sub"]
    for member in ("id_token", "userinfo"):
        for wish in ({"value": "somebody else"}, {"values": ["a", "b"]}, {"value": 17}):
            await person.authorize(claims=claims(**{member: {"sub": wish}}), prompt="none")
            assert person.answer["error"] == "login_required"
    for wish in ({"value": clara}, {"values": ["a", clara]}, {"essential": True}):
        await person.code("clara", claims=claims(id_token={"sub": wish}))
    both = claims(id_token={"sub": {"value": clara}}, userinfo={"sub": {"value": "somebody else"}})
    await person.authorize(claims=both, prompt="none")
    assert person.answer["error"] == "login_required"


async def test_sign_in_has_a_context_that_every_token_names_rfc9470_6(person: Person, house: House) -> None:
    assert ACR_VALUES == (PASSWORD_CONTEXT,)
    code = await person.code(scope="openid offline_access", acr_values=f"phr {PASSWORD_CONTEXT}")
    tokens = (await person.redeem(code)).json()
    refreshed = (await house.refresh(tokens["refresh_token"])).json()
    for token in (*(tokens[name] for name in ("access_token", "id_token")), refreshed["access_token"]):
        assert house.claims(token)["acr"] == PASSWORD_CONTEXT
        assert house.claims(token)["auth_time"] > 0


async def test_introspection_tells_context_and_time_of_the_sign_in_rfc9470_6_2(person: Person, house: House) -> None:
    tokens = (await person.redeem(await person.code(scope="shipments:read"))).json()
    answer = await house.post("/introspect", {"token": tokens["access_token"]}, client="app-svc")
    assert answer.json()["acr"] == PASSWORD_CONTEXT
    assert answer.json()["auth_time"] == int(house.clock().timestamp())


async def test_context_that_no_sign_in_can_reach_is_refused_at_once_rfc9470_5(person: Person) -> None:
    await person.authorize(acr_values="phr phrh")
    assert person.answer["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize(
    ("wish", "refused"),
    [
        ({"essential": True, "values": ["phr"]}, True),
        ({"essential": True, "value": "phr"}, True),
        ({"essential": True, "value": 3}, True),
        ({"essential": True, "values": ["phr", PASSWORD_CONTEXT]}, False),
        ({"essential": True}, False),
        ({"values": ["phr"]}, False),
        (None, False),
    ],
)
async def test_only_an_essential_acr_must_be_reached_oidc_core_5_5_1_1(
    person: Person, wish: dict[str, Any] | None, refused: bool
) -> None:
    await person.authorize(claims=claims(id_token={"acr": wish}))
    if refused:
        assert person.answer["error"] == "unmet_authentication_requirements"
    else:
        await person.sign_in("clara")
        await person.submit(decision="allow")
        assert person.answer["code"]


async def test_default_acr_values_hold_until_the_request_says_otherwise_oidc_registration_2(
    person: Person, house: House
) -> None:
    await register(house, default_acr_values=["phr"])
    await person.authorize(client_id="special")
    assert person.answer["error"] == "unmet_authentication_requirements"
    assert await person.code(client_id="special", acr_values=PASSWORD_CONTEXT)
    assert await person.code(client_id="special", claims=claims(id_token={"acr": None}))


async def test_default_max_age_holds_until_the_request_says_otherwise_oidc_registration_2(
    person: Person, house: House
) -> None:
    await register(house, default_max_age=60, require_auth_time=True)
    tokens = (await person.redeem(await person.code(client_id="special"), client_id="special")).json()
    assert house.claims(tokens["id_token"])["auth_time"] == int(house.clock().timestamp())
    house.clock.advance(timedelta(seconds=60))
    assert 'name="password"' not in (await person.authorize(client_id="special", max_age="61")).text
    assert 'name="password"' in (await person.authorize(client_id="special")).text


async def test_metadata_says_that_claims_and_contexts_are_understood(house: House) -> None:
    document = (await house.http.get("/.well-known/openid-configuration")).json()
    assert document["claims_parameter_supported"] is True
    assert document["acr_values_supported"] == [PASSWORD_CONTEXT]
    assert {"acr", "email", "name"} <= set(document["claims_supported"])
