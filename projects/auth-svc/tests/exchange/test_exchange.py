"""Token exchange (RFC 8693): delegation, impersonation, and never more than there was."""

from datetime import timedelta
from typing import Any

import pytest

from auth_svc import users
from auth_svc.clients import NewClient, RegistrationError
from auth_svc.testing import SECRET, House

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ALL = "openid profile email offline_access shipments:read shipments:write shipments:scan"


async def register(house: House, client_id: str, **changes: Any) -> None:
    usual: dict[str, Any] = {
        "client_name": client_id.title(),
        "secret": SECRET,
        "grant_types": (GRANT, "client_credentials"),
        "scope": ALL,
        "resource": house.resource,
    }
    new = NewClient(client_id=client_id, **(usual | changes))
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


@pytest.fixture
async def gateway(house: House) -> str:
    """A resource server that calls others."""
    await register(house, "gateway")
    return "gateway"


async def exchange(house: House, token: str, *, client: str = "gateway", **more: str) -> Any:
    form = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN} | more
    return await house.post("/token", {name: value for name, value in form.items() if value}, client=client)


async def own_token(house: House, client: str) -> str:
    answer = await house.post("/token", {"grant_type": "client_credentials"}, client=client)
    token: str = answer.json()["access_token"]
    return token


def refused(answer: Any, code: str = "invalid_request") -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return True


# --- the answer -----------------------------------------------------------------------------------------------------


async def test_client_that_exchanges_within_the_second_of_its_revocation_gets_a_token_that_is_good(
    house: House, gateway: str, waited: list[float]
) -> None:
    """`iat` has whole seconds (RFC 7519 section 2), so a token of that second would count as issued before."""
    theirs = (await house.tokens("clara"))["access_token"]
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_client(c, gateway))
    answer = await exchange(house, theirs)
    assert len(waited) == 1
    assert await house.active(answer.json()["access_token"])


async def test_answer_has_what_rfc8693_2_2_1_wants_and_no_refresh_token(house: House, gateway: str) -> None:
    tokens = await house.tokens("clara")
    answer = await exchange(house, tokens["access_token"])
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["issued_token_type"] == ACCESS_TOKEN
    assert body["token_type"] == "Bearer"
    assert "refresh_token" not in body
    assert "id_token" not in body
    assert body["scope"] == "openid profile email shipments:read shipments:write"
    assert await house.active(body["access_token"])


async def test_delegation_keeps_the_subject_and_names_the_actor_rfc8693_4_1(house: House, gateway: str) -> None:
    tokens = await house.tokens("clara")
    before = house.claims(tokens["access_token"])
    after = house.claims((await exchange(house, tokens["access_token"])).json()["access_token"])
    for name in ("sub", "aud", "grant_id", "sid", "auth_time", "amr", "roles"):
        assert before[name] == after[name], name
    assert after["client_id"] == "gateway"
    assert after["act"] == {"sub": "gateway"}
    assert after["jti"] != before["jti"]
    (issued,) = [event for event in await house.events("TokenIssued") if event.data.client_id == "gateway"]  # type: ignore[attr-defined]
    assert issued.data.actor_id == "gateway"  # type: ignore[attr-defined]


async def test_actors_nest_the_last_one_outside_rfc8693_4_1(house: House, gateway: str) -> None:
    await register(house, "pricing")
    token = (await house.tokens("clara"))["access_token"]
    first = (await exchange(house, token)).json()["access_token"]
    second = (await exchange(house, first, client="pricing")).json()["access_token"]
    assert house.claims(second)["act"] == {"sub": "pricing", "act": {"sub": "gateway"}}
    answer = await house.post("/introspect", {"token": second}, client="app-svc")
    assert answer.json()["act"] == {"sub": "pricing", "act": {"sub": "gateway"}}


async def test_chain_of_actors_is_bounded(house: House, gateway: str) -> None:
    await register(house, "pricing")
    token = (await house.tokens("clara"))["access_token"]
    for turn in range(8):
        token = (await exchange(house, token, client=("gateway", "pricing")[turn % 2])).json()["access_token"]
    assert refused(await exchange(house, token, client="gateway"))


async def test_actor_token_names_the_actor_rfc8693_2_1(house: House, gateway: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    dan = (await house.tokens("dan"))["access_token"]
    answer = await exchange(house, token, actor_token=dan, actor_token_type=ACCESS_TOKEN)
    assert house.claims(answer.json()["access_token"])["act"] == {"sub": house.claims(dan)["sub"]}


async def test_who_acts_for_another_is_no_actor(house: House, gateway: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    dan = (await house.tokens("dan"))["access_token"]
    delegated = (await exchange(house, dan)).json()["access_token"]
    assert refused(await exchange(house, token, actor_token=delegated, actor_token_type=ACCESS_TOKEN))


async def test_subject_is_no_actor_for_itself_which_would_be_impersonation_rfc8693_1_1(
    house: House, gateway: str
) -> None:
    token = (await house.tokens("clara"))["access_token"]
    another = (await house.tokens("clara"))["access_token"]
    for actor in (token, another):
        assert refused(await exchange(house, token, actor_token=actor, actor_token_type=ACCESS_TOKEN))
    own = await own_token(house, "gateway")
    answer = await exchange(house, own, actor_token=own, actor_token_type=ACCESS_TOKEN)
    assert "act" not in house.claims(answer.json()["access_token"])


async def test_impersonation_is_a_policy_of_the_client_and_keeps_earlier_actors_rfc8693_1_1(
    house: House, gateway: str
) -> None:
    await register(house, "batch", may_impersonate=True)
    token = (await house.tokens("clara"))["access_token"]
    assert "act" not in house.claims((await exchange(house, token, client="batch")).json()["access_token"])
    delegated = (await exchange(house, token)).json()["access_token"]
    after = house.claims((await exchange(house, delegated, client="batch")).json()["access_token"])
    assert after["act"] == {"sub": "gateway"}
    dan = (await house.tokens("dan"))["access_token"]
    answer = await exchange(house, token, client="batch", actor_token=dan, actor_token_type=ACCESS_TOKEN)
    assert house.claims(answer.json()["access_token"])["act"] == {"sub": house.claims(dan)["sub"]}


async def test_client_narrows_its_own_token_without_an_actor(house: House, gateway: str) -> None:
    token = await own_token(house, "gateway")
    answer = await exchange(house, token, scope="shipments:read")
    claims = house.claims(answer.json()["access_token"])
    assert (claims["sub"], claims["scope"], claims.get("act")) == ("gateway", "shipments:read", None)


# --- only narrower --------------------------------------------------------------------------------------------------


async def test_scope_is_only_narrower(house: House, gateway: str) -> None:
    token = (await house.tokens("clara", scope="shipments:read shipments:write"))["access_token"]
    narrow = (await exchange(house, token, scope="shipments:read")).json()
    assert narrow["scope"] == "shipments:read"
    assert refused(await exchange(house, token, scope="shipments:scan"), "invalid_scope")
    assert refused(await exchange(house, narrow["access_token"], scope="shipments:write"), "invalid_scope")


async def test_scope_is_no_wider_than_what_the_client_may_have(house: House) -> None:
    await register(house, "reader", scope="shipments:read")
    token = (await house.tokens("clara", scope="shipments:read shipments:write"))["access_token"]
    assert (await exchange(house, token, client="reader")).json()["scope"] == "shipments:read"
    token = (await house.tokens("clara", scope="shipments:write"))["access_token"]
    assert refused(await exchange(house, token, client="reader"), "invalid_scope")


async def test_roles_that_were_lost_narrow_it(house: House, gateway: str) -> None:
    token = (await house.tokens("clara", scope="shipments:read shipments:write"))["access_token"]
    profile = users.Profile(username="clara", name="Clara", email="", roles=("employee",), password=house.password)
    hashed = users.hash_password("clara", house.password)
    await house.app.ledger.database.work(
        lambda connection: house.app.accounts.ensure(connection, profile, password_hash=hashed)
    )
    assert (await exchange(house, token)).json()["scope"] == "shipments:read"


async def test_audience_is_only_narrower_rfc8693_2_1(house: House, gateway: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    for target in ({"resource": house.resource}, {"audience": house.resource}):
        narrow = (await exchange(house, token, **target)).json()["access_token"]
        assert house.claims(narrow)["aud"] == house.resource
        assert refused(await exchange(house, narrow, resource=house.issuer), "invalid_target")
        assert refused(await exchange(house, narrow, audience=house.issuer), "invalid_target")
    assert refused(await exchange(house, token, audience="https://elsewhere.example"), "invalid_target")
    assert refused(await exchange(house, token, resource="https://elsewhere.example"), "invalid_target")
    both = {"resource": house.resource, "audience": house.resource}
    assert (await exchange(house, token, **both)).status_code == 200
    both = {"resource": house.resource, "audience": house.issuer}
    assert refused(await exchange(house, token, **both), "invalid_target")


async def test_exchanged_token_does_not_outlive_the_subject_token(house: House, gateway: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    house.clock.advance(timedelta(minutes=4))
    answer = (await exchange(house, token)).json()
    assert house.claims(answer["access_token"])["exp"] == house.claims(token)["exp"]
    assert answer["expires_in"] == 360


async def test_what_ends_the_grant_ends_the_exchanged_token(house: House, gateway: str) -> None:
    tokens = await house.tokens("clara")
    exchanged = (await exchange(house, tokens["access_token"])).json()["access_token"]
    assert await house.active(exchanged)
    await house.post("/revoke", {"token": tokens["refresh_token"], "client_id": "cli-proj"})
    assert not await house.active(exchanged)


# --- who may --------------------------------------------------------------------------------------------------------


async def test_token_that_is_neither_its_own_nor_sent_to_it_is_refused(house: House) -> None:
    await register(house, "outsider", resource=None)
    token = (await house.tokens("clara"))["access_token"]
    assert refused(await exchange(house, token, client="outsider"))
    own = (await house.tokens("clara", client="outsider", scope="shipments:read"))["access_token"]
    assert (await exchange(house, own, client="outsider")).status_code == 200


async def test_token_that_was_sent_to_another_resource_server_is_refused_rfc8693_2_1(
    house: House, gateway: str
) -> None:
    await register(house, "courier", resource=None)
    await register(house, "dispatch", may_act="courier")
    token = (await house.tokens("clara", client="dispatch", scope="openid"))["access_token"]
    assert house.claims(token)["aud"] == house.issuer
    assert refused(await exchange(house, token))
    actor = await own_token(house, "courier")
    assert house.resource in house.claims(actor)["aud"]
    assert refused(await exchange(house, token, actor_token=actor, actor_token_type=ACCESS_TOKEN))


async def test_may_act_lets_the_one_that_it_names_and_nobody_else_rfc8693_4_4(house: House, gateway: str) -> None:
    await register(house, "courier", resource=None)
    await register(house, "dispatch", may_act="courier")
    token = (await house.tokens("clara", client="dispatch"))["access_token"]
    assert house.claims(token)["may_act"] == {"sub": "courier"}
    assert refused(await exchange(house, token, client="gateway"))
    after = house.claims((await exchange(house, token, client="courier")).json()["access_token"])
    assert after["act"] == {"sub": "courier"}
    assert "may_act" not in after


async def test_client_without_the_grant_and_public_clients_are_refused(house: House, gateway: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    assert refused(await exchange(house, token, client="app-svc"), "unauthorized_client")
    with pytest.raises(RegistrationError):
        await register(house, "phone", secret=None, token_endpoint_auth_method="none", grant_types=(GRANT,))


async def test_token_that_is_no_longer_good_is_invalid_request_rfc8693_2_2_2(house: House, gateway: str) -> None:
    tokens = await house.tokens("clara")
    other = (await house.tokens("dan"))["access_token"]
    assert refused(await exchange(house, "nonsense"))
    assert refused(await exchange(house, tokens["refresh_token"]))
    assert refused(await exchange(house, tokens["id_token"]))
    await house.post("/revoke", {"token": tokens["access_token"], "client_id": "cli-proj"})
    assert refused(await exchange(house, tokens["access_token"]))
    house.clock.advance(timedelta(minutes=10))
    assert refused(await exchange(house, other))


async def test_closed_account_is_not_acted_for(house: House, gateway: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    subject = house.claims(token)["sub"]
    await house.app.ledger.database.work(lambda connection: house.app.accounts.disable(connection, subject))
    assert refused(await exchange(house, token))


@pytest.mark.parametrize(
    "form",
    [
        {"subject_token": ""},
        {"subject_token_type": ""},
        {"subject_token": "", "subject_token_type": ""},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"actor_token": "x"},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"},
    ],
)
async def test_malformed_request_is_invalid_request_rfc8693_2_1(
    house: House, gateway: str, form: dict[str, str]
) -> None:
    token = (await house.tokens("clara"))["access_token"]
    assert refused(await exchange(house, token, **form))


async def test_metadata_names_the_grant_rfc8414_2(house: House) -> None:
    answer = await house.http.get("/.well-known/oauth-authorization-server")
    assert GRANT in answer.json()["grant_types_supported"]
