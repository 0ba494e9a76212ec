"""POST /admin/revocations: who may, what ends, and what is known of who refuses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.app import create_app
from auth_svc.testing import House, Person, settings_in
from lib_one import http as web
from lib_one.nats import NatsConnection, Presence
from lib_one.testing import NatsServer, eventually, free_port, in_background, nats_server
from lib_two.revocation import RevocationView, State

PATH = "/admin/revocations"


async def operator(house: House, scope: str = "admin") -> str:
    token: str = (await house.tokens("otto", scope=scope))["access_token"]
    return token


async def revoke(house: House, kind: str, id_: str, *, token: str | None = None, **more: Any) -> Any:
    token = token or await operator(house)
    headers = {"authorization": f"Bearer {token}"}
    return await house.http.post(PATH, json={"kind": kind, "id": id_} | more, headers=headers)


@pytest.mark.parametrize(
    ("kind", "claim", "told"),
    [
        ("token", "jti", "TokenRevoked"),
        ("grant", "grant_id", "GrantRevoked"),
        ("session", "sid", "SessionRevoked"),
        ("subject", "sub", "SubjectRevoked"),
        ("client", "client_id", "ClientRevoked"),
    ],
)
async def test_operator_ends_what_is_named(house: House, kind: str, claim: str, told: str) -> None:
    tokens = await house.tokens("clara", client="gui-proj")
    other = await house.tokens("dan", scope="shipments:read")
    answer = await revoke(house, kind, house.claims(tokens["access_token"])[claim])
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"id": "", "kind": ""} == {
        "kind": "",
        "id": "",
        "sequence": None,
        "complete": False,
        "services": [],
    }
    assert not await house.active(tokens["access_token"])
    assert await house.active(other["access_token"])
    assert len(await house.events(told)) == 1


async def test_client_that_asks_again_within_the_second_gets_a_token_that_is_good(
    house: House, waited: list[float]
) -> None:
    """`iat` has whole seconds (RFC 7519 section 2), so a token of that second would count as issued before."""
    form = {"grant_type": "client_credentials"}
    token, before = await operator(house), (await house.post("/token", form, client="simulator")).json()["access_token"]
    house.clock.advance(timedelta(milliseconds=300))
    assert (await revoke(house, "client", "simulator", token=token)).status_code == 200
    assert waited == []
    after = (await house.post("/token", form, client="simulator")).json()["access_token"]
    assert waited == [pytest.approx(0.7)]
    assert not await house.active(before)
    assert await house.active(after)


async def test_person_may_be_named_by_user_name_and_the_answer_has_the_id(house: House) -> None:
    tokens = await house.tokens("clara")
    answer = await revoke(house, "subject", "Clara")
    assert answer.json()["id"] == house.claims(tokens["access_token"])["sub"]
    assert not await house.active(tokens["access_token"])
    assert len(await house.events("UserRevoked")) == 1


async def test_session_in_a_browser_is_over(house: House, person: Person) -> None:
    tokens = (await person.redeem(await person.code("clara"))).json()
    await revoke(house, "session", house.claims(tokens["access_token"])["sid"])
    assert 'name="password"' in (await person.go("/consents")).text
    assert len(await house.events("SessionEnded")) == 1


async def test_token_stays_revoked_as_long_as_one_can_live(house: House) -> None:
    tokens = await house.tokens("clara")
    await revoke(house, "token", house.claims(tokens["access_token"])["jti"])
    (event,) = await house.events("TokenRevoked")
    assert event.data.expires_at >= house.clock() + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid_request"),
        ({"kind": "planet", "id": "x"}, "invalid_request"),
        ({"kind": "token", "id": ""}, "invalid_request"),
        ({"kind": "token", "id": "a.b"}, "invalid_request"),
        ({"kind": "client", "id": "a\x00b"}, "invalid_request"),
        ({"kind": "token", "id": "x", "wait": 31}, "invalid_request"),
        ({"kind": "token", "id": "x", "more": 1}, "invalid_request"),
        ({"kind": "client", "id": "nobody"}, "unknown_identifier"),
        ({"kind": "subject", "id": "nobody"}, "unknown_identifier"),
    ],
)
async def test_bad_body_ends_nothing(house: House, body: dict[str, Any], error: str) -> None:
    headers = {"authorization": f"Bearer {await operator(house)}"}
    answer = await house.http.post(PATH, json=body, headers=headers)
    assert answer.json()["error"] == error
    assert not [event for event in house.bus.stored("REV") if "Revoked" in type(event.data).__name__]


async def test_only_operators_may(house: House) -> None:
    assert (await house.http.post(PATH, json={})).status_code == 401
    answer = await revoke(house, "client", "gui-proj", token=await operator(house, "openid"))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


# On a real bus.


@asynccontextmanager
async def service(server: NatsServer, name: str, *, following: bool = True) -> AsyncIterator[RevocationView]:
    """A service that checks tokens, as its presence tells; without `following` it never applies anything."""
    connection = NatsConnection(server.url, name=name)
    await connection.start()
    view = RevocationView()
    stats = {"guard": {"stream": None, "sequence": 0}}
    presence = Presence(connection, version="1.0.0", stats=lambda: {"guard": view.status()} if following else stats)
    async with in_background(presence.run()), in_background(view.run(connection)):
        yield view
    await connection.close()


async def test_answer_says_which_services_refuse_it_and_after_how_long(folder: Path) -> None:
    async with nats_server() as server:
        issuer = f"http://127.0.0.1:{free_port()}"
        app = create_app(settings_in(folder, issuer=issuer, nats_url=server.url))
        async with (
            app.running(),
            service(server, "one") as one,
            service(server, "two") as two,
            web.client(base_url=issuer, transport=web.ASGITransport(app)) as http,
        ):
            await eventually(lambda: one.state() == two.state() == State.FRESH)
            house = House(app, http, app.ledger.now, None, None, issuer)  # type: ignore[arg-type]
            tokens = await house.tokens("clara")
            grant_id = house.claims(tokens["access_token"])["grant_id"]
            told = (await revoke(house, "grant", grant_id, wait=30)).json()
            assert told["complete"], told
            assert [entry["name"] for entry in told["services"]] == ["one", "two"]
            assert all(entry["after_ms"] > 0 for entry in told["services"])
            for view in (one, two):
                assert grant_id in view._grants
                assert view.status()["sequence"] >= told["sequence"]

            async with service(server, "deaf", following=False):
                told = (await revoke(house, "subject", "clara", wait=2)).json()
            assert not told["complete"]
            after = {entry["name"]: entry["after_ms"] for entry in told["services"]}
            assert after["deaf"] is None
            assert after["one"] is not None

            await server.stop()
            await eventually(lambda: app.connection is not None and not app.connection.connected)
            told = (await revoke(house, "client", "gui-proj", wait=1)).json()
            assert (told["sequence"], told["complete"]) == (None, False)
            assert (await house.http.post("/introspect", data={"token": "x"})).status_code == 401  # it goes on
