"""Tokens for several resource servers: RFC 8707 from the request to the refresh, RFC 9068 section 3."""

from typing import Any

import msgspec
import pytest

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.resources import Resource, ResourceError, Scope
from auth_svc.testing import SECRET, VERIFIER, House
from auth_svc.users import AccountError, find_by_username

from .conftest import BOTH, LEDGER, register

REQUEST = {"client_id": "books", "redirect_uri": "https://books.example/cb", "scope": BOTH}


async def machine(house: House, **form: str) -> Any:
    return await house.post("/token", {"grant_type": "client_credentials"} | form, client="books")


async def redeem(house: House, code: str, **form: str) -> Any:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER} | form
    return await house.post("/token", form, client="books")


async def test_client_credentials_are_for_what_the_scope_means_rfc9068_3(house: House, ledger: Resource) -> None:
    for scope, audience in (
        ("ledger:book", ledger.identifier),
        ("shipments:read", house.resource),
        ("ledger:book shipments:read", [house.resource, ledger.identifier]),
    ):
        answer = (await machine(house, scope=scope)).json()
        assert (house.claims(answer["access_token"])["aud"], answer["scope"]) == (audience, scope)


async def test_token_request_narrows_to_one_resource_rfc8707_2_2(house: House, ledger: Resource) -> None:
    answer = (await machine(house, resource=ledger.identifier)).json()
    assert answer["scope"] == "ledger:read ledger:book"
    assert house.claims(answer["access_token"])["aud"] == ledger.identifier
    answer = await machine(house, resource=ledger.identifier, scope="shipments:read")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_slash_for_an_empty_path_is_no_difference_rfc3986_6_2_3(house: House, ledger: Resource) -> None:
    answer = (await machine(house, resource=f"{house.resource}/", scope="shipments:read")).json()
    assert house.claims(answer["access_token"])["aud"] == house.resource
    for other in (f"{house.resource}//", f"{house.resource}/a/", f"{house.resource}?", f"{house.resource}/?"):
        answer = await machine(house, resource=other, scope="shipments:read")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target"), other


async def test_one_grant_gives_a_token_for_each_resource_rfc8707_2_2(
    house: House, person: Any, ledger: Resource
) -> None:
    code = await person.code(**REQUEST)
    first = (await redeem(house, code, resource=house.resource)).json()
    assert house.claims(first["access_token"])["aud"] == house.resource
    assert "ledger:read" not in first["scope"]
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "resource": ledger.identifier}
    second = (await house.post("/token", form, client="books")).json()
    claims = house.claims(second["access_token"])
    assert (claims["aud"], claims["scope"]) == (ledger.identifier, "openid profile offline_access ledger:read")
    form = {"grant_type": "refresh_token", "refresh_token": second["refresh_token"]}
    third = (await house.post("/token", form, client="books")).json()
    assert house.claims(third["access_token"])["aud"] == [house.resource, ledger.identifier, house.issuer]


async def test_consent_for_one_resource_gives_nothing_of_another_rfc8707_2_1(
    house: House, person: Any, ledger: Resource
) -> None:
    await person.authorize(**REQUEST, resource=ledger.identifier)
    await person.sign_in("clara")
    assert "Read the ledger" in person.page.text
    assert "Look at shipments" not in person.page.text
    await person.submit(decision="allow")
    code = person.answer["code"]
    refused = await redeem(house, code, resource=house.resource)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")
    tokens = (await redeem(house, code)).json()
    assert house.claims(tokens["access_token"])["aud"] == ledger.identifier
    assert tokens["scope"] == "openid profile offline_access ledger:read"


async def test_request_without_a_scope_for_its_resource_is_invalid_target_rfc8707_2(
    person: Any, ledger: Resource
) -> None:
    await person.authorize(**REQUEST | {"scope": "openid shipments:read"}, resource=ledger.identifier)
    assert person.answer["error"] == "invalid_target"


async def test_role_of_another_resource_grants_its_scopes_only(house: House, person: Any, ledger: Resource) -> None:
    def appoint(connection: Any) -> None:
        erin = find_by_username(connection, "erin")
        assert erin is not None
        house.app.accounts.set_roles(connection, erin, ["auditor"])

    await house.app.ledger.database.work(appoint)
    code = await person.code("erin", **REQUEST)
    tokens = (await redeem(house, code)).json()
    assert tokens["scope"] == "openid profile offline_access ledger:read"


async def test_resource_server_introspects_its_own_tokens_only_rfc7662_2_2(house: House, ledger: Resource) -> None:
    client = NewClient(client_id="ledger", client_name="Ledger", secret=SECRET, resource=ledger.identifier)
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, client))
    tokens = {scope: (await machine(house, scope=scope)).json()["access_token"] for scope in BOTH.split()[3:]}
    for asker, mine in (("ledger", "ledger:read"), ("app-svc", "shipments:read")):
        for scope, token in tokens.items():
            answer = await house.post("/introspect", {"token": token}, client=asker)
            assert answer.json()["active"] is (scope == mine)


async def test_removed_resource_is_in_no_token_any_more(house: House, ledger: Resource) -> None:
    await house.app.ledger.database.work(lambda c: house.app.resources.remove(c, ledger.identifier))
    await house.app.resources.reload()
    assert (await machine(house, scope="ledger:read")).json()["error"] == "invalid_scope"
    assert (await machine(house)).json()["scope"] == "shipments:read"
    assert (await machine(house, resource=ledger.identifier)).json()["error"] == "invalid_target"


async def test_metadata_list_its_scopes_and_identifier_rfc8414_2_rfc9728_4(house: House, ledger: Resource) -> None:
    document = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert document["scopes_supported"][-2:] == ["ledger:read", "ledger:book"]
    assert document["protected_resources"] == [house.resource, ledger.identifier]


async def test_another_process_sees_it_at_its_next_look(house: House, settings: Any) -> None:
    from auth_svc.testing import running_house

    async with running_house(settings, house.clock) as other:
        await register(house, LEDGER)
        await other.app.resources.reload()  # unless its housekeeping has looked already
        assert LEDGER.identifier in other.app.resources.catalogue.identifiers


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"identifier": "ledger"}, "absolute URI"),
        ({"identifier": "https://ledger.example#x"}, "absolute URI"),
        ({"identifier": "https://me@ledger.example"}, "absolute URI"),
        ({"identifier": "https://led ger.example"}, "absolute URI"),
        ({"identifier": "http://127.0.0.1:8400"}, "issuer's"),
        ({"identifier": "https://ledger.example/"}, "slash"),
        ({"name": " "}, "name is empty"),
        ({"scopes": ()}, "no scope"),
        ({"scopes": (Scope("a"), Scope("a"))}, "twice"),
        ({"scopes": (Scope('a"b'),)}, "is no scope"),
        ({"scopes": (Scope("a" * 129),)}, "is no scope"),
        ({"scopes": (Scope("openid"),)}, "issuer's own"),
        ({"scopes": (Scope("shipments:read"),)}, "is of http://127.0.0.1:8401"),
        ({"roles": {"clerk": ("shipments:read",)}}, "none of its scopes"),
        ({"roles": {"two words": ("ledger:read",)}}, "no name for a role"),
        ({"access_token_signing_alg": "none"}, "unknown algorithm"),
    ],
)
async def test_what_does_not_fit_together_is_refused(house: House, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(ResourceError, match=problem):
        await register(house, msgspec.structs.replace(LEDGER, **change))
    assert not await house.app.resources.reload()


async def test_client_and_person_may_only_have_what_some_resource_knows(house: House) -> None:
    client = NewClient(client_id="books", client_name="B", secret=SECRET, scope="ledger:read")
    with pytest.raises(RegistrationError, match="unknown scope 'ledger:read'"):
        await house.app.ledger.database.work(lambda c: house.app.registration.add(c, client))

    def appoint(connection: Any) -> None:
        erin = find_by_username(connection, "erin")
        assert erin is not None
        house.app.accounts.set_roles(connection, erin, ["auditor"])

    with pytest.raises(AccountError, match="unknown role 'auditor'"):
        await house.app.ledger.database.work(appoint)
