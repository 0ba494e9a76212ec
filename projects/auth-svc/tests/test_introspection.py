"""/introspect (RFC 7662)."""

from datetime import timedelta

import pytest

from auth_svc import users
from auth_svc.settings import Settings
from auth_svc.testing import House
from lib_one.event import new_id

INACTIVE = {"active": False}


async def ask(house: House, token: str, client: str = "app-svc") -> dict[str, object]:
    answer = await house.post("/introspect", {"token": token, "token_type_hint": "nonsense"}, client=client)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, object] = answer.json()
    return found


async def test_resource_server_learns_all_about_a_live_token_rfc7662_2_2(house: House) -> None:
    tokens = await house.tokens("clara")
    claims = house.claims(tokens["access_token"])
    assert await ask(house, tokens["access_token"]) == {"active": True, "token_type": "Bearer"} | claims


async def test_only_its_own_resource_server_and_client_see_a_token_rfc7662_2_2(house: House) -> None:
    tokens = await house.tokens("clara", client="web", scope="shipments:read")
    assert (await ask(house, tokens["access_token"], "app-svc"))["active"] is True
    assert (await ask(house, tokens["access_token"], "web"))["active"] is True
    assert await ask(house, tokens["access_token"], "simulator") == INACTIVE


async def test_token_for_the_issuer_alone_is_inactive_for_the_resource_server(house: House) -> None:
    tokens = await house.tokens("clara", scope="openid profile")
    assert await ask(house, tokens["access_token"]) == INACTIVE


async def test_expired_token_is_inactive_with_nothing_else(house: House) -> None:
    tokens = await house.tokens("clara")
    house.clock.advance(timedelta(minutes=10) - timedelta(seconds=1))
    assert (await ask(house, tokens["access_token"]))["active"] is True
    house.clock.advance(timedelta(seconds=1))
    assert await ask(house, tokens["access_token"]) == INACTIVE


async def test_token_of_a_disabled_user_is_inactive(house: House) -> None:
    tokens = await house.tokens("clara")
    subject = house.claims(tokens["access_token"])["sub"]
    assert (await ask(house, tokens["access_token"]))["active"] is True
    await house.app.ledger.database.work(lambda connection: house.app.accounts.disable(connection, subject))
    assert await ask(house, tokens["access_token"]) == INACTIVE


@pytest.mark.parametrize("where", ["header", "payload", "signature"])
async def test_forged_token_is_inactive(house: House, where: str) -> None:
    token = (await house.tokens("clara"))["access_token"]
    assert (await ask(house, token))["active"] is True
    parts = token.split(".")
    place = ["header", "payload", "signature"].index(where)
    parts[place] = ("A" if parts[place][5] != "A" else "B").join((parts[place][:5], parts[place][6:]))
    assert await ask(house, ".".join(parts)) == INACTIVE


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "é", "eyJhbGciOiJub25lIn0.e30.", "a" * 40000])
async def test_nonsense_is_inactive(house: House, token: str) -> None:
    assert await ask(house, token) == INACTIVE


async def test_signature_written_another_way_is_inactive(house: House) -> None:
    token = (await house.tokens("clara"))["access_token"]
    for other in (token + "=", token + "==", token.replace("-", "+").replace("_", "/") + "\n", " " + token):
        if other != token:
            answer = await house.post("/introspect", {"token": other}, client="app-svc")
            assert answer.json().get("active", False) is False


async def test_public_client_may_not_introspect_rfc7662_2_1(house: House) -> None:
    tokens = await house.tokens("clara")
    answer = await house.post("/introspect", {"token": tokens["access_token"], "client_id": "cli-proj"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_refresh_token_is_seen_by_its_own_client_only(house: House) -> None:
    tokens = await house.tokens("clara", client="web", scope="offline_access shipments:read")
    found = await ask(house, tokens["refresh_token"], "web")
    assert found["active"] is True
    assert found["scope"] == "offline_access shipments:read"
    assert "token_type" not in found
    assert await ask(house, tokens["refresh_token"], "app-svc") == INACTIVE
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    await house.post("/token", form, client="web")
    assert await ask(house, tokens["refresh_token"], "web") == INACTIVE


async def test_refresh_token_that_is_no_longer_good_is_inactive_rfc7662_2_2(house: House, settings: Settings) -> None:
    async def begun() -> str:
        tokens = await house.tokens("clara", client="web", scope="offline_access shipments:read")
        token: str = tokens["refresh_token"]
        assert (await ask(house, token, "web"))["active"] is True
        return token

    revoked = await begun()
    await house.post("/revoke", {"token": revoked}, client="web")
    assert await ask(house, revoked, "web") == INACTIVE
    expired = await begun()
    house.clock.advance(settings.refresh_token_life)
    assert await ask(house, expired, "web") == INACTIVE
    of_before = await begun()
    clara = house.claims((await house.tokens("clara"))["access_token"])["sub"]
    await house.app.ledger.database.work(lambda c: users.end_sign_ins(c, clara, house.clock()))
    assert await ask(house, of_before, "web") == INACTIVE


async def test_missing_token_is_invalid_request(house: House) -> None:
    answer = await house.post("/introspect", {"token_type_hint": "access_token"}, client="app-svc")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_revocation_is_seen_after_the_token_was_seen_as_live(house: House) -> None:
    tokens = await house.tokens("clara")
    grant_id = house.claims(tokens["access_token"])["grant_id"]
    assert (await ask(house, tokens["access_token"]))["active"] is True
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_grant(c, new_id()))
    assert (await ask(house, tokens["access_token"]))["active"] is True
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_grant(c, grant_id))
    assert await ask(house, tokens["access_token"]) == INACTIVE
