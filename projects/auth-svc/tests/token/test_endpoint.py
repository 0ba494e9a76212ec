"""POST /token: the order of checks, client credentials, resources."""

import asyncio

import pytest

from auth_svc.testing import House
from lib_one.contracts.auth import TokenIssued


async def test_client_credentials_give_a_recorded_access_token_rfc6749_4_4(house: House) -> None:
    answer = await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 600
    assert answer.headers["cache-control"] == "no-store"
    claims = house.claims(body["access_token"])
    assert claims == {
        "iss": house.issuer,
        "sub": "simulator",
        "aud": house.resource,
        "client_id": "simulator",
        "iat": int(house.clock().timestamp()),
        "exp": int(house.clock().timestamp()) + 600,
        "jti": claims["jti"],
        "scope": "shipments:read shipments:write shipments:scan",
    }
    (issued,) = await house.events("TokenIssued")
    assert isinstance(issued.data, TokenIssued)
    assert issued.data.token_id == claims["jti"]
    assert body["access_token"] not in repr(house.bus.published)


async def test_scope_is_narrowed_to_what_the_client_may_and_said_rfc6749_3_3(house: House) -> None:
    form = {"grant_type": "client_credentials", "scope": "shipments:scan profile openid shipments:scan nonsense"}
    answer = await house.post("/token", form, client="simulator")
    assert answer.json()["scope"] == "shipments:scan"


@pytest.mark.parametrize("scope", ["shipments:admin", "openid offline_access", "nonsense", 'a"b', "a\\b", "ä", "*"])
async def test_scope_of_which_nothing_is_left_is_invalid_scope(house: House, scope: str) -> None:
    answer = await house.post("/token", {"grant_type": "client_credentials", "scope": scope}, client="simulator")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_every_token_has_its_own_id(house: House) -> None:
    answers = await asyncio.gather(
        *(house.post("/token", {"grant_type": "client_credentials"}, client="simulator") for _ in range(20))
    )
    ids = {house.claims(answer.json()["access_token"])["jti"] for answer in answers}
    assert len(ids) == 20
    assert {event.data.aggregate() for event in await house.events("TokenIssued")} == ids


@pytest.mark.parametrize(
    ("form", "client", "status", "error"),
    [
        ({}, "simulator", 400, "invalid_request"),
        ({"grant_type": "password"}, "simulator", 400, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, "simulator", 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "web", 400, "unauthorized_client"),
        ({"grant_type": "authorization_code"}, "simulator", 400, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, "simulator", 400, "unauthorized_client"),
        ({"grant_type": "refresh_token"}, "web", 400, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "cli-proj"}, None, 400, "unauthorized_client"),
        ({"grant_type": "client_credentials"}, None, 401, "invalid_client"),
    ],
)
async def test_checks_come_in_their_order_rfc6749_5_2(
    house: House, form: dict[str, str], client: str | None, status: int, error: str
) -> None:
    answer = await house.post("/token", form, client=client)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert await house.events("TokenIssued") == []


async def test_known_resource_is_accepted_rfc8707_2(house: House) -> None:
    form = {"grant_type": "client_credentials", "resource": house.resource}
    answer = await house.post("/token", form, client="simulator")
    assert house.claims(answer.json()["access_token"])["aud"] == house.resource


@pytest.mark.parametrize("resource", ["https://other.example", "http://127.0.0.1:8401/api", "http://127.0.0.1:8400"])
async def test_other_resource_is_invalid_target_rfc8707_2(house: House, resource: str) -> None:
    form = {"grant_type": "client_credentials", "resource": resource}
    answer = await house.post("/token", form, client="simulator")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_disabled_client_is_refused_at_once(house: House) -> None:
    from auth_svc.clients import disable

    form = {"grant_type": "client_credentials"}
    assert (await house.post("/token", form, client="simulator")).status_code == 200
    now = house.clock()
    await house.app.ledger.database.work(lambda connection: disable(connection, "simulator", now))
    house.app.clients.forget("simulator")
    answer = await house.post("/token", form, client="simulator")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
