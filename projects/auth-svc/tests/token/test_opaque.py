"""Opaque access tokens: random, known here alone, and otherwise as good as any (RFC 6749 section 1.4, RFC 7662)."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from auth_svc.protocol import TOKEN_EXCHANGE
from auth_svc.settings import Settings
from auth_svc.testing import SECRET, SEED, VERIFIER, House, settings_in
from auth_svc.token.store import opaque_tokens

VAULT = "https://vault.example"
RESOURCES = [
    {
        "identifier": VAULT,
        "name": "Vault",
        "scopes": [{"name": "vault:open", "title": "Open the vault", "text": "And close it again"}],
        "roles": {"clerk": ["vault:open"]},
        "access_token_format": "opaque",
    }
]
CLIENTS = [
    {"client_id": "vault", "client_name": "Vault", "secret": SECRET, "resource": VAULT},
    {
        "client_id": "keeper",
        "client_name": "Keeper",
        "secret": SECRET,
        "grant_types": ["client_credentials", "authorization_code", "refresh_token", TOKEN_EXCHANGE],
        "scope": "openid profile offline_access vault:open shipments:read",
        "redirect_uris": ["https://keeper.example/cb"],
    },
]


pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def settings(folder: Path, database_url: str) -> Settings:
    seed: dict[str, Any] = json.loads(json.dumps(SEED))
    seed["resources"], seed["clients"] = RESOURCES, seed["clients"] + CLIENTS
    (folder / "seed.json").write_text(json.dumps(seed))
    return settings_in(folder, database_url=database_url)


async def issued(house: House, scope: str = "vault:open", **form: str) -> Any:
    answer = await house.post("/token", {"grant_type": "client_credentials", "scope": scope} | form, client="keeper")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def introspect(house: House, token: str, client: str = "vault") -> Any:
    return (await house.post("/introspect", {"token": token}, client=client)).json()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_resource_that_wants_it_gets_a_random_token_and_introspection_says_the_rest(house: House) -> None:
    first, second = await issued(house), await issued(house)
    assert len(first["access_token"]) == 43  # 256 bits
    assert "." not in first["access_token"]
    assert first["access_token"] != second["access_token"]
    found = await introspect(house, first["access_token"])
    assert (found["active"], found["aud"], found["scope"], found["sub"]) == (True, VAULT, "vault:open", "keeper")
    (event,) = [event for event in await house.events("TokenIssued") if event.data.aggregate() == found["jti"]]
    assert first["access_token"] not in repr(house.bus.published)
    assert event.data.scope == "vault:open"
    assert (await issued(house, scope="shipments:read"))["access_token"].count(".") == 2


async def test_only_its_hash_is_at_rest(house: House) -> None:
    token = (await issued(house))["access_token"]
    rows = await house.app.ledger.database.read(lambda c: list(c.execute(select(opaque_tokens))))
    assert len(rows) == 1
    assert token.encode() not in bytes(rows[0].token_hash) + bytes(rows[0].claims)


async def test_nobody_else_sees_what_it_means_rfc7662_2_2(house: House) -> None:
    token = (await issued(house))["access_token"]
    assert await introspect(house, token, "app-svc") == {"active": False}
    assert (await introspect(house, token, "keeper"))["active"]
    assert await introspect(house, token + "x") == {"active": False}


async def test_it_expires_and_is_forgotten(house: House) -> None:
    token = (await issued(house))["access_token"]
    house.clock.advance(timedelta(minutes=11))
    assert await introspect(house, token) == {"active": False}
    await house.app.housekeeping.sweep()
    rows = await house.app.ledger.database.read(lambda c: list(c.execute(select(opaque_tokens))))
    assert rows == []


async def test_revocation_names_its_id_and_ends_it_at_once_rfc7009_2_1(house: House) -> None:
    token = (await issued(house))["access_token"]
    token_id = (await introspect(house, token))["jti"]
    refused = await house.post("/revoke", {"token": token}, client="vault")
    assert refused.json()["error"] == "invalid_grant"
    assert (await introspect(house, token))["active"]
    assert (await house.post("/revoke", {"token": token}, client="keeper")).status_code == 200
    assert await introspect(house, token) == {"active": False}
    (event,) = await house.events("TokenRevoked")
    assert event.data.aggregate() == token_id
    assert token not in repr(house.bus.published)


async def test_another_process_knows_it(house: House, settings: Settings) -> None:
    from auth_svc.testing import running_house

    token = (await issued(house))["access_token"]
    async with running_house(settings, house.clock) as other:
        assert (await introspect(other, token))["active"]


async def test_person_gets_one_with_an_id_token_and_userinfo_takes_it(house: House, person: Any) -> None:
    code = await person.code(
        client_id="keeper", redirect_uri="https://keeper.example/cb", scope="openid profile vault:open offline_access"
    )
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    tokens = (await house.post("/token", form, client="keeper")).json()
    assert "." not in tokens["access_token"]
    told = (await house.http.get("/userinfo", headers=bearer(tokens["access_token"]))).json()
    assert told["sub"] == house.claims(tokens["id_token"])["sub"]
    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    fresh = (await house.post("/token", again, client="keeper")).json()
    assert (await introspect(house, fresh["access_token"]))["active"]
    await house.post("/revoke", {"token": fresh["refresh_token"]}, client="keeper")
    for token in (tokens["access_token"], fresh["access_token"]):
        assert await introspect(house, token) == {"active": False}
        assert (await house.http.get("/userinfo", headers=bearer(token))).status_code == 401


async def test_one_token_is_never_for_both_kinds_of_resource_rfc8707_2(house: House) -> None:
    form = {"grant_type": "client_credentials", "scope": "vault:open shipments:read"}
    answer = await house.post("/token", form, client="keeper")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_it_can_be_exchanged_for_another_rfc8693_2_1(house: House) -> None:
    subject = await issued(house)
    kind = "urn:ietf:params:oauth:token-type:access_token"
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": kind}
    answer = await house.post("/token", form | {"subject_token": subject["access_token"]}, client="keeper")
    assert answer.status_code == 200, answer.text
    assert (await introspect(house, answer.json()["access_token"]))["scope"] == "vault:open"


async def test_many_at_once_are_all_different_and_all_good(house: House) -> None:
    answers = await asyncio.gather(*(issued(house) for _ in range(50)))
    tokens = {answer["access_token"] for answer in answers}
    assert len(tokens) == 50
    assert all([(await introspect(house, token))["active"] for token in tokens])
