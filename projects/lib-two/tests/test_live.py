"""The live feed: resumes without loss, backs off, refreshes, and ends when the sign-in has ended."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from lib_one import http as web
from lib_two import live
from lib_two.bus import Pass
from lib_two.errors import ApiError, SignInNeeded


class Tokens:
    """A session whose tokens are t1, t2, … up to `last`."""

    def __init__(self, http: web.AsyncClient, *, last: int = 9) -> None:
        self.http = http
        self.number = 1
        self._last = last

    async def authorization(self, method: str, url: str, *, rejected: str | None = None) -> dict[str, str]:
        if rejected == f"t{self.number}":
            self.number += 1
        if self.number > self._last:
            raise SignInNeeded("Your sign-in has ended or was revoked.")
        return {"Authorization": f"Bearer t{self.number}"}

    async def bus_pass(self) -> Pass:
        raise NotImplementedError  # nobody tells where a bus is

    def heed(self, response: web.Response) -> bool:
        """A bound session would be told a nonce in this header."""
        return "dpop-nonce" in response.headers


class Broken(web.AsyncBaseTransport):
    """Answers request after request as scripted; an exception in a stream breaks the connection."""

    def __init__(self, *answers: web.Response | Exception) -> None:
        self.asked: list[web.Request] = []
        self._answers: Iterator[web.Response | Exception] = iter(answers)

    async def handle_async_request(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def header(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.asked]


def feed(*chunks: bytes | Exception) -> web.Response:
    async def stream() -> AsyncIterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    return web.Response(200, headers={"Content-Type": "text/event-stream"}, content=stream())


def sse(number: int, kind: str = "scanned") -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps({'n': number})}\n\n".encode()


class Pauses:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def read(
    transport: Broken, count: int, *, last: int = 9, pauses: Pauses | None = None, **options: Any
) -> list[live.LiveEvent]:
    """The first `count` events."""
    found: list[live.LiveEvent] = []
    async with web.client(transport=transport) as http:
        events = live.events(Tokens(http, last=last), "http://api/live", sleep=pauses or Pauses(), **options)
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
        await events.aclose()
    return found


RESET = web.ConnectError("reset")


async def test_events_have_id_kind_and_decoded_data() -> None:
    transport = Broken(feed(b": keep-alive\n\n", sse(1, "registered"), sse(2)))
    events = await read(transport, 2)
    assert events == [live.LiveEvent("1", "registered", {"n": 1}), live.LiveEvent("2", "scanned", {"n": 2})]
    assert transport.header("authorization") == ["Bearer t1"]
    assert transport.header("last-event-id") == [None]


async def test_broken_feed_resumes_after_the_last_event() -> None:
    half = sse(3)[:10]
    transport = Broken(feed(sse(1), sse(2), half, RESET), feed(sse(3)), feed(sse(4)))
    assert [event.id for event in await read(transport, 4)] == ["1", "2", "3", "4"]
    assert transport.header("last-event-id") == [None, "2", "3"]


async def test_feed_begins_where_it_is_told() -> None:
    transport = Broken(feed(sse(8)))
    await read(transport, 1, last_event_id="7")
    assert transport.header("last-event-id") == ["7"]


async def test_server_that_is_away_is_asked_ever_more_seldom_up_to_a_bound() -> None:
    pauses = Pauses()
    await read(Broken(*[RESET] * 12, feed(sse(1))), 1, pauses=pauses)
    assert len(pauses.seconds) == 12
    assert all(0.1 <= pause <= 15 for pause in pauses.seconds)
    assert pauses.seconds[0] <= 0.25
    assert min(pauses.seconds[-3:]) >= 7.5
    assert len(set(pauses.seconds)) > 8  # jitter


async def test_pauses_begin_anew_after_an_event() -> None:
    pauses = Pauses()
    await read(Broken(*[RESET] * 6, feed(sse(1)), feed(sse(2))), 2, pauses=pauses)
    assert pauses.seconds[5] > 2
    assert pauses.seconds[6] <= 0.5


async def test_busy_server_says_how_long_to_wait() -> None:
    pauses = Pauses()
    busy = web.Response(503, headers={"Retry-After": "7"})
    await read(Broken(busy, feed(b"retry: 3000\n\n", sse(1)), feed(sse(2))), 2, pauses=pauses)
    assert pauses.seconds[0] == 7
    assert pauses.seconds[1] == 3


async def test_refused_token_is_replaced() -> None:
    transport = Broken(feed(sse(1)), web.Response(401), feed(sse(2)))
    assert [event.id for event in await read(transport, 2)] == ["1", "2"]
    assert transport.header("authorization") == ["Bearer t1", "Bearer t1", "Bearer t2"]


async def test_revoked_session_ends_the_feed() -> None:
    transport = Broken(feed(sse(1)), web.Response(401))
    with pytest.raises(SignInNeeded):
        await read(transport, 2, last=1)


async def test_token_that_is_refused_twice_is_an_error_and_no_loop() -> None:
    problem = {"title": "Unauthorized", "detail": "no"}
    with pytest.raises(ApiError, match="Unauthorized: no"):
        await read(Broken(web.Response(401), web.Response(401, json=problem)), 1)


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_refusal_for_good_is_an_error(status: int) -> None:
    with pytest.raises(ApiError) as caught:
        await read(Broken(web.Response(status, json={"title": "No", "detail": "Never."})), 1)
    assert caught.value.status == status


async def test_answer_that_is_no_feed_is_tried_again() -> None:
    html = web.Response(200, headers={"Content-Type": "text/html"}, text="<p>a proxy says hello</p>")
    assert await read(Broken(html, feed(sse(1))), 1)


async def test_event_that_is_not_json_is_passed_over() -> None:
    transport = Broken(feed(sse(1), b"id: 2\ndata: {broken\n\n", sse(3)), feed(sse(3)))
    assert [event.id for event in await read(transport, 2)] == ["1", "3"]


async def test_states_are_told() -> None:
    states: list[bool] = []
    tell: Callable[[bool], None] = states.append
    await read(Broken(feed(sse(1)), RESET, feed(sse(2))), 2, on_state=tell)
    assert states == [True, False, True, False]


class Endless(httpx.AsyncByteStream):
    """A feed that never ends by itself."""

    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield sse(1)

    async def aclose(self) -> None:
        self.closed = True


async def test_leaving_the_feed_closes_the_connection() -> None:
    endless = Endless()
    await read(Broken(web.Response(200, headers={"Content-Type": "text/event-stream"}, stream=endless)), 3)
    assert endless.closed
