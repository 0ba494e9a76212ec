"""The live feed over the bus: it takes over from HTTP and gives way to it, and nothing is lost or told twice.

The nats-server and its door are real; who is let in is decided here, and so is what the API has to tell.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from lib_one import http as web
from lib_one.errors import BusUnavailableError
from lib_one.event import utc_now
from lib_one.nats import NatsConnection
from lib_one.nats.callout import Admission, Callout, Shown
from lib_one.nats.guest import Guest
from lib_one.nats.session import inbox_of
from lib_one.testing import NatsServer, eventually, nats_server
from lib_two import live
from lib_two.bus import Pass, enter

URL = "http://api/shipments/live"


class Tokens:
    """A session whose tokens are t1, t2, …"""

    def __init__(self, http: web.AsyncClient) -> None:
        self.http = http
        self.number = 1
        self.bound = False

    async def authorization(self, method: str, url: str, *, rejected: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer t{self.number}"}

    async def bus_pass(self) -> Pass:
        token = f"t{self.number}"
        prove = (lambda address, nonce: f"{token} at {address} with {nonce}") if self.bound else None
        return Pass(token, None, prove)

    def heed(self, response: web.Response) -> bool:
        return False


class Api(web.AsyncBaseTransport):
    """The feed over HTTP: event n has n as its id and its data."""

    def __init__(self, address: str) -> None:
        self.position = 0
        self.asked: list[tuple[str | None, str | None]] = []
        """For each request what it had seen, and up to where it asked."""
        self.open = 0
        self.away = False
        self._offer = {"Live-Bus": address, "Live-Subjects": "live.shipments.*.* live.shipments.place"}

    async def handle_async_request(self, request: web.Request) -> web.Response:
        seen, until = request.headers.get("last-event-id"), request.url.params.get("until")
        self.asked.append((seen, until))
        if self.away:
            raise web.ConnectError("away")
        position = self.position if seen is None else min(int(seen), self.position)
        stream = Stream(self, position, None if until is None else int(until))
        return web.Response(200, headers={"Content-Type": "text/event-stream", **self._offer}, stream=stream)


class Stream(httpx.AsyncByteStream):
    """One answer of the API."""

    def __init__(self, api: Api, position: int, until: int | None) -> None:
        self._api, self._position, self._until = api, position, until
        api.open += 1

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"id: %d\n\n" % self._position
        while self._until is None or self._position < self._until:
            if self._position < self._api.position:
                self._position += 1
                yield b"id: %d\nevent: scanned\ndata: %d\n\n" % (self._position, self._position)
            else:
                await asyncio.sleep(0.005)

    async def aclose(self) -> None:
        self._api.open -= 1


class House:
    """The bus, its door, the API, and somebody who listens."""

    def __init__(self, server: NatsServer, address: str, api: Api, tokens: Tokens, app: NatsConnection) -> None:
        self.server, self.address, self.api, self.tokens, self._app = server, address, api, tokens, app
        self.let_in: list[str] = []
        self.shown: list[Shown] = []
        self.shut = False
        self.events: list[live.LiveEvent] = []
        self.states: list[bool] = []

    @property
    def ids(self) -> list[int]:
        return [int(event.id) for event in self.events]

    async def decide(self, shown: Shown) -> Admission | str:
        if self.shut:
            return "shut"
        self.let_in.append(shown.auth_token)
        self.shown.append(shown)
        return Admission(
            name="somebody",
            publish=(),
            subscribe=("live.shipments.>", f"{inbox_of(shown.auth_token)}.>"),
            expires_at=int((datetime.now(UTC) + timedelta(minutes=5)).timestamp()),
        )

    async def tell(self, sequence: int, *, by: str = "A", place: bool = False) -> None:
        """An event on the bus, or only the place in the feed."""
        if not place:
            self.api.position = max(self.api.position, sequence)
        session = await self._app.session()
        subject = "live.shipments.place" if place else "live.shipments.abc.scanned"
        headers = {"Feed-Teller": by, "Feed-Sequence": str(sequence)}
        await session.publish(subject, b"" if place else json.dumps(sequence).encode(), headers=headers)

    async def listen(self) -> None:
        async with aclosing(live.events(self.tokens, URL, on_state=self.states.append)) as events:
            async for event in events:
                self.events.append(event)

    async def on_the_bus(self, *, by: str = "A", connections: int = 1) -> None:
        """Wait until the feed is heard on the bus, and nowhere else."""

        async def heard() -> bool:
            await self.tell(self.api.position, by=by, place=True)
            return len(self.let_in) >= connections and self.api.open == 0

        await eventually(heard)


@pytest.fixture
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    websocket = getattr(request, "param", None) == "websocket"
    async with nats_server(open_door=False, websocket=websocket) as server:
        # Nobody is at the first address.
        address = server.websocket_url if websocket else server.url
        api = Api(f"nats://127.0.0.1:1 {address}")
        app = NatsConnection(server.url, name="app-svc", nkey_seed=server.seed("app-svc"))
        auth = NatsConnection(server.url, name="auth-svc", nkey_seed=server.seed("auth-svc"))
        async with web.client(transport=api) as http:
            found = House(server, address, api, Tokens(http), app)
            callout = Callout(
                auth,
                issuer_seed=server.seed("door-issuer"),
                curve_seed=server.seed("door-curve"),
                decide=found.decide,
                now=utc_now,
            )
            for connection in (app, auth):
                await connection.start()
                assert await connection.wait_connected(30)
            answering = asyncio.create_task(callout.run())
            listening = asyncio.create_task(found.listen())
            yield found
            for task in (listening, answering):
                task.cancel()
            await asyncio.gather(listening, answering, return_exceptions=True)
            await app.close()
            await auth.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_BUS_PAUSE", 0.02)
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.02)


async def test_the_bus_takes_over_from_http(house: House) -> None:
    house.api.position = 1
    await eventually(lambda: house.states == [True])
    house.api.position = 2
    await eventually(lambda: house.ids[-1:] == [2])
    await house.on_the_bus()
    asked = len(house.api.asked)
    for sequence in (3, 4):
        await house.tell(sequence)
    await eventually(lambda: house.ids[-3:] == [2, 3, 4])
    assert house.events[-1] == live.LiveEvent("4", "scanned", 4)
    assert len(house.api.asked) == asked
    assert house.states == [True]
    assert house.let_in == ["t1"]


async def test_what_came_before_a_teller_is_fetched_and_copies_are_dropped(house: House) -> None:
    await house.on_the_bus()
    await house.tell(1)
    await eventually(lambda: house.ids == [1])
    house.api.position = 5
    await house.tell(4, by="B")  # 2 and 3 were told by somebody whom the bus has lost
    await house.tell(5, by="B")
    await house.tell(4, by="A")
    await house.tell(5, by="A")
    await eventually(lambda: house.ids == [1, 2, 3, 4, 5])
    assert house.api.asked[-1] == ("1", "4")
    await house.tell(6, by="A")
    await house.tell(6, by="B")
    await house.tell(7, by="A")
    await eventually(lambda: house.ids[-1] == 7)
    assert house.ids == [1, 2, 3, 4, 5, 6, 7]


async def test_a_feed_that_begins_anew_is_followed(house: House) -> None:
    house.api.position = 9
    await house.on_the_bus()
    house.api.position = 1
    await house.tell(1, by="B", place=True)
    await eventually(lambda: house.api.asked[-1][1] == "1")
    await house.tell(2, by="B")
    await eventually(lambda: house.ids[-1:] == [2])


async def test_http_takes_over_while_the_bus_is_away_and_gives_way_when_it_is_back(house: House) -> None:
    await house.on_the_bus()
    await house.tell(1)
    await eventually(lambda: house.ids == [1])
    await house.server.kill()
    await eventually(lambda: house.api.open == 1)
    house.api.position = 3
    await eventually(lambda: house.ids == [1, 2, 3])
    await house.server.start()
    await house.on_the_bus(by="B", connections=2)
    await house.tell(4, by="B")
    await eventually(lambda: house.ids == [1, 2, 3, 4])


async def test_a_door_that_stays_shut_leaves_the_feed_over_http(house: House) -> None:
    house.shut = True
    house.api.position = 1
    await eventually(lambda: house.api.open == 1)
    for sequence in range(2, 5):
        house.api.position = sequence
        await eventually(lambda sequence=sequence: house.ids[-1:] == [sequence])
    house.shut = False
    await house.on_the_bus()
    await house.tell(5)
    await eventually(lambda: house.ids[-1] == 5)
    assert house.ids == [*range(house.ids[0], 6)]


@pytest.mark.parametrize("house", ["websocket"], indirect=True)
async def test_a_websocket_leads_to_the_bus_where_a_firewall_lets_nothing_else_through(house: House) -> None:
    await house.on_the_bus()
    numbers = list(range(1, 200))
    for sequence in numbers:
        await house.tell(sequence)
    await eventually(lambda: house.ids == numbers)
    await house.server.kill()
    await eventually(lambda: house.api.open == 1)
    await house.server.start()
    await house.on_the_bus(by="B", connections=2)


async def test_a_bearer_token_comes_without_a_proof(house: House) -> None:
    await house.on_the_bus()
    assert {(shown.signed, shown.nonce) for shown in house.shown} == {("", "")}


@pytest.mark.parametrize("house", ["plain", "websocket"], indirect=True)
async def test_a_bound_token_comes_with_a_proof_of_its_own_for_each_connection_rfc9449_8(house: House) -> None:
    house.tokens.bound = True
    await house.on_the_bus()
    await house.server.kill()
    await eventually(lambda: house.api.open == 1)
    await house.server.start()
    await house.on_the_bus(by="B", connections=2)
    for shown in house.shown:
        assert shown.nonce
        assert shown.signed == f"t1 at {house.address} with {shown.nonce}"
    assert len({shown.nonce for shown in house.shown}) == len(house.shown)


async def test_the_next_connection_comes_with_the_next_token_before_this_one_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_two.live.bus.BusFeed.good_for", property(lambda _: 0.05))
    await eventually(lambda: house.let_in == ["t1"] or house.tell(0, place=True))
    house.tokens.number = 2

    async def renewed() -> bool:
        await house.tell(house.api.position, place=True)
        return house.let_in[-1] == "t2"

    await eventually(renewed)
    monkeypatch.setattr("lib_two.live.bus.BusFeed.good_for", property(lambda _: 3600.0))
    await house.on_the_bus()
    await house.tell(1)
    await eventually(lambda: house.ids == [1])
    assert [until for _, until in house.api.asked].count(None) == 1  # it did not go back to HTTP in between
    assert house.states == [True]


async def test_no_token_is_sent_to_an_address_in_the_clear() -> None:
    async def never(guest: Guest) -> None:
        raise AssertionError

    for address in ("nats://bus.example:4222", "ws://bus.example/nats", "http://127.0.0.1"):
        with pytest.raises(BusUnavailableError, match="in the clear"):
            await enter(Pass("t1", None), [address], (), never)


def test_it_is_time_for_the_next_token_before_this_one_ends() -> None:
    def good_for(seconds: float) -> float:
        return live.BusFeed(None, None, datetime.now(UTC) + timedelta(seconds=seconds)).good_for  # type: ignore[arg-type]

    assert 570 < good_for(600) <= 575
    assert 9 < good_for(20) <= 10
    assert good_for(-5) == 1
