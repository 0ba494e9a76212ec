"""The door of the bus, on a real nats-server as it is shipped: who comes in, what they may do there, who is put out.

One server and one auth-svc serve all tests of this file.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from auth_svc.app import create_app
from auth_svc.bus_admission import RIGHTS, Right
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from lib_one.event import utc_now
from lib_one.http import client as http_client
from lib_one.nats.session import Session, inbox_of
from lib_one.testing import FakeWeb, NatsServer, RecordingBus, eventually, nats_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYBODY = "openid shipments:read shipments:write shipments:scan"


class RefusedError(Exception):
    """The door stays shut."""


@dataclass
class Door:
    """The bus with its door, and the house that keeps it."""

    server: NatsServer
    settings: Settings
    house: House
    stack: AsyncExitStack
    sessions: list[Session] = field(default_factory=list)

    async def token(self, username: str = "otto", *, scope: str = EVERYBODY, **changes: Any) -> str:
        """An access token of this person."""
        token: str = (await self.house.tokens(username, scope=scope, **changes))["access_token"]
        return token

    def signed(self, **changes: Any) -> str:
        """An access token with claims that the mint would not give."""
        now = int(utc_now().timestamp())
        claims: dict[str, Any] = {
            "iss": self.house.issuer,
            "sub": "somebody",
            "aud": self.house.resource,
            "client_id": "cli-proj",
            "iat": now,
            "exp": now + 600,
            "jti": "signed-by-hand",
            "scope": "shipments:read",
        }
        return self.house.app.keys.sign("ES256", "at+jwt", msgspec.json.encode(claims | changes))

    async def enter(self, token: str | None) -> Session:
        """Connect with a token. When the door is too slow, or nobody is there yet, ask again."""
        for _ in range(20):
            session = Session()
            self.sessions.append(session)
            try:
                await session.open(self.server.url, name="somebody", token=token)
            except Exception as error:
                await session.close(drain=False)
                if "authorization violation" in str(error).lower():
                    raise RefusedError from error
            else:
                return session
        raise AssertionError("nobody answers at the door")

    async def refused(self, token: str | None) -> bool:
        """Whether the door stays shut."""
        try:
            await self.enter(token)
        except RefusedError:
            return True
        return False

    async def work(self, verb: Callable[[Any], object]) -> None:
        """A unit of work of the house."""
        await self.house.app.ledger.database.work(verb)


async def running(settings: Settings, stack: AsyncExitStack) -> House:
    """An auth-svc on the real bus, with the real clock, since the server reads its own."""
    app = create_app(settings, outside=FakeWeb().client())
    await stack.enter_async_context(app.running())
    assert app.connection is not None
    assert await app.connection.wait_connected(30)
    http = await stack.enter_async_context(http_client(base_url=settings.issuer))
    return House(app, http, utc_now, RecordingBus(), FakeWeb())  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """The bus and its door."""
    folder = Path(shutil.copytree(grown, tmp_path_factory.mktemp("door") / "data"))
    async with nats_server(open_door=False) as server, AsyncExitStack() as stack:
        settings = settings_in(
            folder,
            nats_url=server.url,
            nats_nkey_file=server.seed_file("auth-svc"),
            nats_door_keys=server.seed_file("auth-svc").parent,
        )
        house = await running(settings, stack)
        found = Door(server, settings, house, stack)
        yield found
        for session in found.sessions:
            await session.close(drain=False)


async def allowed(session: Session, verb: str, subject: str) -> bool:
    """Whether the server lets this session publish, or subscribe, to a subject."""
    refusals: list[str] = []
    session.on_refusal(refusals.append)
    if verb == "publish":
        await session.publish(subject, b"")
    else:
        await session.subscribe(subject, lambda message: None)
    await session.client._flush_pending(force_flush=True)  # else the ping would overtake it
    await session.client.flush(timeout=30)  # what the server has to say comes before its answer to the ping
    return not any(f'"{subject.lower()}"' in text for text in refusals)


def example(subject: str) -> str:
    """One subject that the pattern covers."""
    return subject.replace(">", "an.example").replace("*", "one")


SCOPES = [right.scope for right in RIGHTS]
EVERY_SUBJECT = [
    (verb, subject) for right in RIGHTS for verb in ("publish", "subscribe") for subject in getattr(right, verb)
]
NOBODYS = [
    ("publish", "live.shipments.abc.scanned"),
    ("publish", "live.shipments"),
    ("publish", "shipments.abc.delivered"),
    ("publish", "auth.rev.token.abc"),
    ("publish", "live.auth.rev.token.abc"),
    ("publish", "_INBOX.auth-svc.abc"),
    ("publish", "$JS.API.STREAM.NAMES"),
    ("publish", "$JS.API.DIRECT.GET.SHIPMENTS"),
    ("publish", "$SYS.REQ.SERVER.PING"),
    ("publish", "$SYS.REQ.USER.AUTH"),
    ("subscribe", ">"),
    ("subscribe", "*.>"),
    ("subscribe", "live.>"),
    ("subscribe", "live.auth.rev.>"),
    ("subscribe", "auth.>"),
    ("subscribe", "shipments.>"),
    ("subscribe", "_INBOX.>"),
    ("subscribe", "_INBOX.app-svc.>"),
    ("subscribe", "$SRV.>"),
    ("subscribe", "$SYS.>"),
    ("subscribe", "$SYS.REQ.USER.AUTH"),
    ("subscribe", "$JS.ACK.>"),
]


@pytest.mark.parametrize("right", RIGHTS, ids=SCOPES)
async def test_a_scope_opens_its_own_subjects_and_no_others(door: Door, right: Right) -> None:
    token = await door.token(scope=f"openid {right.scope}")
    session = await door.enter(token)
    own = {("publish", subject) for subject in right.publish} | {("subscribe", subject) for subject in right.subscribe}
    assert own
    for verb, subject in own:
        assert await allowed(session, verb, example(subject)), subject
    assert await allowed(session, "subscribe", f"{inbox_of(token)}.>")
    for verb, subject in {*EVERY_SUBJECT, *NOBODYS} - own:
        assert not await allowed(session, verb, example(subject) if verb == "publish" else subject), (verb, subject)
    assert not session.ended.is_set()


async def test_scopes_add_up(door: Door) -> None:
    session = await door.enter(await door.token(scope="shipments:read shipments:admin admin"))
    assert await allowed(session, "subscribe", "live.shipments.>")
    assert await allowed(session, "publish", "$SRV.PING")


async def test_an_inbox_is_its_owners_alone(door: Door) -> None:
    mine, theirs = await door.token("otto"), await door.token("clara")
    assert inbox_of(mine) != inbox_of(theirs)
    session = await door.enter(mine)
    assert not await allowed(session, "subscribe", f"{inbox_of(theirs)}.>")


async def test_tokens_that_are_not_good_here_do_not_open_the_door(door: Door) -> None:
    now = int(utc_now().timestamp())
    assert not await door.refused(door.signed())
    refused = {
        "none": None,
        "no token": "not.a.token",
        "of another issuer": door.signed(iss="http://127.0.0.1:9999"),
        "expired": door.signed(exp=now - 1),
        "for another resource": door.signed(aud="https://elsewhere.example"),
        "a scope that counts elsewhere": door.signed(aud=door.house.issuer),
        "a scope of the issuer for the API": door.signed(scope="admin"),
        "no scope that opens anything": await door.token(scope="openid shipments:write"),
        "bound to a key": door.signed(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
    }
    found = {why: await door.refused(token) for why, token in refused.items()}
    assert found == dict.fromkeys(refused, True)


async def test_a_closed_account_does_not_come_in(door: Door) -> None:
    token = await door.token("dan")
    subject = door.house.claims(token)["sub"]
    assert not await door.refused(token)
    await door.work(lambda connection: door.house.app.accounts.disable(connection, subject))
    assert await door.refused(token)


async def test_opaque_tokens_are_as_good(door: Door) -> None:
    app = door.house.app
    resource = app.resources.catalogue.resources[0]
    await door.work(
        lambda connection: app.resources.put(
            connection, msgspec.structs.replace(resource, access_token_format="opaque")
        )
    )
    await app.resources.reload()
    try:
        token = await door.token("clara")
        assert "." not in token
        session = await door.enter(token)
        assert await allowed(session, "subscribe", "live.shipments.>")
    finally:
        await door.work(lambda connection: app.resources.remove(connection, resource.identifier))
        await app.resources.reload()


async def test_the_connection_ends_with_its_token(door: Door) -> None:
    sessions: list[Session] = []

    async def entered() -> bool:
        try:
            sessions.append(await door.enter(door.signed(exp=int(utc_now().timestamp()) + 2)))
        except RefusedError:  # it took too long to come here
            return False
        return True

    await eventually(entered)
    await asyncio.wait_for(sessions[0].ended.wait(), 30)
    assert "expired" in str(sessions[0].client.last_error)


def revoke_token(door: Door, claims: dict[str, Any]) -> Callable[[Any], object]:
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    return lambda connection: door.house.app.revocation.revoke_token(connection, claims["jti"], expires_at=expires_at)


def revoke_grant(door: Door, claims: dict[str, Any]) -> Callable[[Any], object]:
    return lambda connection: door.house.app.revocation.revoke_grant(connection, claims["grant_id"])


def revoke_session(door: Door, claims: dict[str, Any]) -> Callable[[Any], object]:
    return lambda connection: door.house.app.revocation.revoke_session(connection, claims["sid"])


def revoke_subject(door: Door, claims: dict[str, Any]) -> Callable[[Any], object]:
    return lambda connection: door.house.app.revocation.revoke_subject(connection, claims["sub"])


def revoke_client(door: Door, claims: dict[str, Any]) -> Callable[[Any], object]:
    return lambda connection: door.house.app.revocation.revoke_client(connection, claims["client_id"])


# Nobody else here is revoked as a person, no other client as a client: that ends what was issued in the same second.
CASES = [
    (revoke_token, "clara", "cli-proj"),
    (revoke_grant, "clara", "cli-proj"),
    (revoke_session, "clara", "cli-proj"),
    (revoke_subject, "erin", "cli-proj"),
    (revoke_client, "clara", "web"),
]


@pytest.mark.parametrize(("revoke", "username", "client"), CASES, ids=[verb.__name__ for verb, *_ in CASES])
async def test_a_revocation_ends_the_connections_that_it_concerns(
    door: Door, revoke: Callable[[Door, dict[str, Any]], Callable[[Any], object]], username: str, client: str
) -> None:
    token, other = await door.token(username, client=client, scope="shipments:read"), await door.token("otto")
    session, stays = await door.enter(token), await door.enter(other)
    assert await allowed(session, "subscribe", "live.shipments.>")
    await door.work(revoke(door, door.house.claims(token)))
    await asyncio.wait_for(session.ended.wait(), 30)
    assert await door.refused(token)
    await stays.client.flush(timeout=30)
    assert not stays.ended.is_set()


async def test_a_distrusted_key_ends_every_connection_and_who_has_another_key_comes_again(door: Door) -> None:
    app = door.house.app
    token = await door.token("clara")
    session = await door.enter(token)
    keys = msgspec.json.decode(app.keys.jwks)["keys"]
    key_id = next(key["kid"] for key in keys if key["alg"] != "ES256")
    await door.work(lambda connection: app.revocation.distrust_key(connection, key_id))
    await asyncio.wait_for(session.ended.wait(), 30)
    assert not await door.refused(token)


async def test_another_process_ends_the_connections_that_a_first_one_admitted(door: Door) -> None:
    async with AsyncExitStack() as first:
        await door.stack.aclose()  # this file's own house gives way
        door.house = await running(door.settings, first)
        token, late = await door.token("clara"), await door.token("clara")
        session = await door.enter(token)
    stranger = Session()
    with contextlib.suppress(Exception):
        await stranger.open(door.server.url, name="somebody", token=late)
    assert not stranger.client.is_connected  # nobody keeps the door: it is shut
    await stranger.close(drain=False)
    assert not session.ended.is_set()
    door.house = await running(door.settings, door.stack)
    await door.work(revoke_token(door, door.house.claims(token)))
    await asyncio.wait_for(session.ended.wait(), 30)
