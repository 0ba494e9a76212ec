"""Signals are pushed (RFC 8935), to a receiver that really listens."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from auth_svc import users
from auth_svc.app import create_app
from auth_svc.settings import Settings
from auth_svc.signals import depths, of_client
from auth_svc.testing import House, running_house
from lib_one.http import ASGITransport, Response, guarded_client
from lib_one.http import client as http_client
from lib_one.testing import Clock, FakeWeb, Listener, RecordingBus, eventually, listening

type Receiver = Any
"""See conftest."""

WHERE = "https://intranet.example/events"
EVENTS = ["https://schemas.openid.net/secevent/caep/event-type/session-revoked"]
PUSHED = {"method": "urn:ietf:rfc:8935", "endpoint_url": WHERE}


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as receiver:
        yield receiver


@pytest.fixture
async def house(settings: Settings, clock: Clock) -> AsyncIterator[House]:
    """Whose pushes really leave."""
    bus = RecordingBus()
    app = create_app(settings, now=clock, bus=bus, outside=guarded_client(loopback=True))
    async with app.running(), http_client(base_url=settings.issuer, transport=ASGITransport(app)) as http:
        yield House(app, http, clock, bus, FakeWeb())


async def test_two_misses_and_everything_arrives_in_order_2(
    house: House, intranet: Receiver, listener: Listener, revoke: Callable[..., Any]
) -> None:
    listener.answers = [Response(503), Response(503)]
    made = await intranet.stream(push_to=listener.url, delivery={"authorization_header": "Bearer of-the-intranet"})
    assert made["delivery"] == {"method": "urn:ietf:rfc:8935", "endpoint_url": listener.url}
    for _ in range(3):
        await revoke()
        house.clock.advance(timedelta(milliseconds=1))
    await eventually(lambda: _failed(house, 1))
    house.clock.advance(timedelta(seconds=5))
    await eventually(lambda: _failed(house, 2))
    house.clock.advance(timedelta(seconds=10))
    await eventually(lambda: _waiting(house, 0))
    keys = KeySet.import_key_set((await house.http.get("/jwks")).json())
    verified = [jws.deserialize_compact(each.body, keys, algorithms=["RS256"]) for each in listener.arrived]
    assert {token.headers()["typ"] for token in verified} == {"secevent+jwt"}
    told = [json.loads(token.payload) for token in verified]
    ids = [claims["jti"] for claims in told]
    assert len(ids) == 5
    assert ids[0] == ids[1] == ids[2] < ids[3] < ids[4]
    for each in listener.arrived:
        headers = each.headers
        assert each.line == "POST /events?of=intranet HTTP/1.1"
        assert headers["content-type"] == "application/secevent+jwt"
        assert headers["accept"] == "application/json"
        assert headers["authorization"] == "Bearer of-the-intranet"
    assert (await _stream(house)).attempts == 0


async def test_what_is_refused_for_good_holds_up_nothing_and_a_passing_refusal_is_tried_again_2_4(
    house: House, intranet: Receiver, listener: Listener, revoke: Callable[..., Any]
) -> None:
    listener.answers = [
        Response(400, content=b'{"err": "invalid_audience", "description": "Not for me"}'),
        Response(400, content=b'{"err": "invalid_key"}'),
    ]
    await intranet.stream(push_to=listener.url)
    await revoke()
    await eventually(lambda: _waiting(house, 0))
    (refused,) = await house.events("SignalRefused")
    assert refused.data.error == "invalid_audience"  # type: ignore[attr-defined]
    await revoke()
    await eventually(lambda: _failed(house, 1))
    listener.answers = [Response(400, content=b"no JSON")]
    house.clock.advance(timedelta(seconds=5))
    await eventually(lambda: _failed(house, 2))
    house.clock.advance(timedelta(seconds=10))
    await eventually(lambda: _waiting(house, 0))
    assert len(await house.events("SignalRefused")) == 1


async def test_nothing_is_lost_between_commit_and_push(settings: Settings, clock: Clock) -> None:
    async with running_house(settings, clock) as house:
        receiver = _receiver(house)
        answer = await receiver("POST", "streams", {"events_requested": EVENTS, "delivery": PUSHED})
        assert answer.status_code == 201
        await house.app.ledger.database.work(lambda c: _revoke(house, c))
        await eventually(lambda: _failed(house, 1))
    clock.advance(timedelta(minutes=1))
    async with running_house(settings, clock) as house:
        house.web[WHERE] = Response(202)
        await eventually(lambda: _waiting(house, 0))
        assert len(house.web.requests) == 1


async def test_a_receiver_that_is_away_holds_up_nobody_else_and_another_address_is_tried_at_once(
    settings: Settings, clock: Clock
) -> None:
    async with running_house(settings, clock) as house:
        house.web["https://partner.example/events"] = Response(202)
        for client, address in (("intranet", WHERE), ("partner", "https://partner.example/events")):
            delivery = PUSHED | {"endpoint_url": address}
            await _receiver(house, client)("POST", "streams", {"events_requested": EVENTS, "delivery": delivery})
        await house.app.ledger.database.work(lambda c: _revoke(house, c))
        await eventually(lambda: _failed(house, 1))
        await eventually(lambda: _waiting(house, 1))
        house.web["https://new.example/events"] = Response(202)
        stream = await _stream(house)
        delivery = PUSHED | {"endpoint_url": "https://new.example/events"}
        await _receiver(house)("PATCH", "streams", {"stream_id": stream.stream_id, "delivery": delivery})
        await eventually(lambda: _waiting(house, 0))


def _receiver(house: House, client: str = "intranet") -> Callable[..., Any]:
    async def call(method: str, path: str, body: dict[str, Any]) -> Response:
        form = {"grant_type": "client_credentials", "scope": "ssf.manage"}
        token = (await house.post("/token", form, client=client)).json()["access_token"]
        return await house.http.request(method, f"/ssf/{path}", headers={"authorization": f"Bearer {token}"}, json=body)

    return call


def _revoke(house: House, connection: Any) -> None:
    user = users.find_by_username(connection, "clara")
    assert user is not None
    house.app.revocation.revoke_subject(connection, user.user_id)


async def _stream(house: House, client: str = "intranet") -> Any:
    return await house.app.ledger.database.read(lambda c: of_client(c, client))


async def _failed(house: House, attempts: int) -> bool:
    return bool((await _stream(house)).attempts == attempts)


async def _waiting(house: House, count: int) -> bool:
    return sum((await house.app.ledger.database.read(depths)).values()) == count
