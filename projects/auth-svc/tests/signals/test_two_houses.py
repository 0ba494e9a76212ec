"""One house tells another what happened: by a push (RFC 8935), and polled (RFC 8936)."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from auth_svc import users
from auth_svc.signals import depths
from auth_svc.testing import SECRET, House, browsing, running_house, settings_in
from lib_one.http import Response
from lib_one.testing import Clock, eventually

NORTH, SOUTH = "https://north.example", "https://south.example"
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
POLLED = {
    "endpoint_url": f"{NORTH}/ssf/poll",
    "token_endpoint": f"{NORTH}/token",
    "client_id": "intranet",
    "client_secret": SECRET,
}


@pytest.fixture
def elsewhere(grown: Path, tmp_path: Path) -> Path:
    """A data folder for the house that listens."""
    return Path(shutil.copytree(grown, tmp_path / "south"))


@asynccontextmanager
async def houses(folder: Path, elsewhere: Path, clock: Clock, **more: Any) -> AsyncIterator[tuple[House, House]]:
    """One that tells, and one that listens to it; each is on the web of the other."""
    async with running_house(settings_in(folder, issuer=NORTH), clock) as north:
        upstream = {"issuer": NORTH, "jwks_uri": f"{NORTH}/jwks", "audience": "intranet"} | more
        subjects = {await north.app.ledger.database.read(clara): "clara"}
        file = elsewhere / "upstreams.json"
        file.write_text(json.dumps([upstream | {"subjects": subjects}]))
        async with running_house(settings_in(elsewhere, issuer=SOUTH, upstream_issuers_file=file), clock) as south:
            for path in ("/jwks", "/token", "/ssf/poll"):
                south.web[f"{NORTH}{path}"] = forwarding(north)
            north.web[f"{SOUTH}/ssf/receive"] = forwarding(south)
            yield north, south


def forwarding(house: House) -> Any:
    async def forward(request: Any) -> Response:
        names = ("content-type", "authorization")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        return await house.http.request(request.method, request.url.path, content=request.content, headers=headers)

    return forward


def clara(connection: Any) -> str:
    user = users.find_by_username(connection, "clara")
    assert user is not None
    return user.user_id


async def stream(house: House, **more: Any) -> None:
    form = {"grant_type": "client_credentials", "scope": "ssf.manage"}
    bearer = (await house.post("/token", form, client="intranet")).json()["access_token"]
    body = {"events_requested": [SESSION_REVOKED]} | more
    made = await house.http.post("/ssf/streams", json=body, headers={"authorization": f"Bearer {bearer}"})
    assert made.status_code == 201


async def end_in(house: House) -> None:
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, clara(c)))


async def nothing_waits(house: House) -> bool:
    return not await house.app.ledger.database.read(depths)


async def test_what_one_house_pushes_ends_a_session_in_the_other(folder: Path, elsewhere: Path, clock: Clock) -> None:
    async with houses(folder, elsewhere, clock) as (north, south), browsing(south) as person:
        await person.sign_in("clara")
        held = await south.tokens("clara")
        assert "Hello" in (await person.go("/")).text
        await stream(north, delivery={"method": "urn:ietf:rfc:8935", "endpoint_url": f"{SOUTH}/ssf/receive"})
        await end_in(north)
        (told,) = await eventually(lambda: south.events("SignalReceived"))
        assert told.data.issuer == NORTH  # type: ignore[attr-defined]
        assert "Welcome" in (await person.go("/")).text
        assert not await south.active(held["access_token"])
        await eventually(lambda: nothing_waits(north))


async def test_what_one_house_keeps_is_polled_by_the_other_and_acknowledged(
    folder: Path, elsewhere: Path, clock: Clock
) -> None:
    async with houses(folder, elsewhere, clock, poll=POLLED) as (north, south):
        held = await south.tokens("clara")
        await stream(north)
        await end_in(north)
        await eventually(lambda: south.events("SignalReceived"))
        assert not await south.active(held["access_token"])
        await eventually(lambda: nothing_waits(north))
        assert len(await south.events("SignalReceived")) == 1


async def test_who_polls_goes_on_after_an_outage_and_says_what_is_no_good(
    folder: Path, elsewhere: Path, clock: Clock
) -> None:
    async with houses(folder, elsewhere, clock, poll=POLLED, audience="somebody else") as (north, south):
        south.web[f"{NORTH}/token"] = Response(503)
        await stream(north)
        await end_in(north)
        await eventually(lambda: any(request.url.path == "/token" for request in south.web.requests))
        south.web[f"{NORTH}/token"] = forwarding(north)
        (refused,) = await eventually(lambda: north.events("SignalRefused"))
        assert refused.data.error == "invalid_audience"  # type: ignore[attr-defined]
        assert await south.events("SignalReceived") == []
