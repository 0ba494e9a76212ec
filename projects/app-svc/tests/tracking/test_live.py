"""The live feed: at once, in order, resumable without loss, and over when the token is."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from app_svc.settings import Settings
from app_svc.tracking import feed as feeds
from lib_one.nats import NatsConnection
from lib_one.sql import DatabaseUnavailableError
from lib_one.testing import NatsServer, eventually
from lib_two.validation import LEEWAY


class Stream:
    """A live feed that is open, as its client sees it."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.last_event_id: str | None = None
        self.comments: list[str] = []
        self.ended = False
        self.status = 0

    @property
    def sequences(self) -> list[int]:
        return [one["entry"]["sequence"] for one in self.events]

    @property
    def revisions(self) -> list[int]:
        return [one["shipment"]["revision"] for one in self.events]

    async def read(self, lines: AsyncIterator[str]) -> None:
        data, kind = "", ""
        async for line in lines:
            name, _, value = line.partition(": ")
            match name:
                case "id":
                    self.last_event_id = value
                case "event":
                    kind = value
                case "data":
                    data = value
                case "" if value:
                    self.comments.append(value)
            if not line and data:
                self.events.append({"event": kind, **json.loads(data)})
                data = ""
        self.ended = True


@asynccontextmanager
async def follow(caller: Any, last_event_id: int | None = None, **params: Any) -> AsyncIterator[Stream]:
    headers = {"Authorization": f"Bearer {caller.token}"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = str(last_event_id)
    stream = Stream()
    async with caller.http.stream("GET", "/shipments/live", headers=headers, params=params, timeout=30) as response:
        stream.status = response.status_code
        assert response.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(stream.read(response.aiter_lines()))
        await eventually(lambda: stream.last_event_id is not None)
        try:
            yield stream
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_what_happens_arrives_without_waiting_for_the_poll(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk = live.caller()
    monkeypatch.setattr(feeds, "POLL", 3600.0)
    async with follow(clerk) as stream:
        shipment = (await clerk.register("A-1")).json()
        await eventually(lambda: stream.events, interval=0.001)
        await clerk.scan("A-1", "departing", note="ü")
        await clerk.scan("A-1", "receiving")
        await eventually(lambda: len(stream.events) == 3)
    assert [one["event"] for one in stream.events] == ["registered", "scanned", "delivered"]
    assert stream.sequences == [1, 2, 3]
    assert stream.events[0]["shipment"]["id"] == shipment["id"]
    assert stream.events[1]["entry"]["note"] == "ü"
    assert stream.events[1]["entry"]["by"] == "clara"
    timeline = (await clerk.get("/shipments/A-1/timeline")).json()
    assert timeline["entries"] == [one["entry"] for one in stream.events]
    assert timeline["shipment"]["status"] == "delivered"


async def test_a_client_that_was_away_misses_nothing(live: Any) -> None:
    clerk = live.caller()
    await clerk.register("A-1")
    async with follow(clerk, last_event_id=0) as stream:
        await eventually(lambda: stream.sequences == [1])
    for _ in range(20):
        await clerk.scan("A-1")
    async with follow(clerk, last_event_id=1) as stream:
        await eventually(lambda: len(stream.events) == 20)
        await clerk.scan("A-1", "receiving")
        await eventually(lambda: len(stream.events) == 21)
    assert stream.sequences == list(range(2, 23))


async def test_a_client_that_saw_nothing_yet_can_resume_as_well(live: Any) -> None:
    """The position is told at once: what happens between a cut and the next connection is not lost."""
    clerk = live.caller()
    await clerk.register("A-1")
    await eventually(lambda: live.service.feed.position == 1)
    async with follow(clerk) as stream:
        pass
    assert (stream.last_event_id, stream.events) == ("1", [])
    await clerk.scan("A-1")
    async with follow(clerk, last_event_id=int(stream.last_event_id)) as stream:
        await eventually(lambda: stream.sequences == [2])


async def test_a_client_that_fell_far_behind_reads_on_from_the_table(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "RING", 4)
    monkeypatch.setattr(feeds, "PAGE", 3)
    clerk = live.caller()
    await clerk.register("A-1")
    await clerk.register("A-2")
    for _ in range(15):
        await clerk.scan("A-1")
        await clerk.scan("A-2")
    await eventually(lambda: live.service.feed.position == 32)
    one = (await clerk.get("/shipments/A-2")).json()["id"]
    async with follow(clerk, last_event_id=0) as everything, follow(clerk, last_event_id=0, shipment_id=one) as only:
        await eventually(lambda: len(everything.events) == 32)
        await eventually(lambda: len(only.events) == 16)
        await clerk.scan("A-1")
        await clerk.scan("A-2")
        await eventually(lambda: len(everything.events) == 34 and len(only.events) == 17)
    assert everything.sequences == list(range(1, 35))
    assert only.sequences == sorted(set(only.sequences))
    assert {event["shipment"]["id"] for event in only.events} == {one}


async def test_a_sequence_of_another_database_begins_with_what_comes_next(live: Any) -> None:
    clerk = live.caller()
    await clerk.register("A-1")
    await eventually(lambda: live.service.feed.position == 1)
    async with follow(clerk, last_event_id=999_999) as stream:
        await clerk.scan("A-1")
        await eventually(lambda: stream.sequences == [2])


async def test_many_clients_share_one_reading(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clerk = live.caller()
    async with follow(clerk) as first, follow(clerk) as second, follow(clerk) as third:
        reads = 0
        read = live.service.database.read

        async def counted(fn: Any) -> Any:
            nonlocal reads
            reads += 1
            return await read(fn)

        monkeypatch.setattr(live.service.database, "read", counted)
        await clerk.register("A-1")
        await eventually(lambda: all(stream.sequences == [1] for stream in (first, second, third)))
        assert reads == 1
        assert live.service.feed.open == 3
    await eventually(lambda: live.service.feed.open == 0)


async def test_the_stream_ends_upon_a_revocation(live: Any, issuer: Any) -> None:
    clerk, other = live.caller(), live.caller()
    async with follow(clerk) as stream, follow(other) as untouched:
        asked = issuer.requests["/introspect"]
        await issuer.revoke_token(clerk.token)
        await eventually(lambda: stream.ended)
        assert issuer.requests["/introspect"] == asked, "the bus told; nobody had to be asked"
        assert not untouched.ended
    assert (await clerk.get("/shipments/live")).status_code == 401


async def test_the_stream_ends_when_the_token_expires(live: Any) -> None:
    expires_at = int(time.time() - LEEWAY.total_seconds()) + 4
    clerk = live.caller(iat=expires_at - 600, exp=expires_at)
    async with follow(clerk) as stream:
        await eventually(lambda: stream.ended)


async def test_the_stream_ends_when_nobody_can_say_whether_the_token_holds(live: Any, nats: Any, issuer: Any) -> None:
    async with follow(live.caller()) as stream:
        issuer.stop()
        await nats.kill()
        await eventually(lambda: stream.ended)


async def test_a_database_that_goes_away_ends_the_stream_in_good_order(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailableError("the test took it away")

    clerk = live.caller()
    async with follow(clerk) as stream:
        monkeypatch.setattr(live.service.feed, "after", away)
        await clerk.register("A-1")
        await eventually(lambda: stream.ended)
    assert stream.status == 200


async def test_one_stream_too_many_is_503(start: Any) -> None:
    async with start(live_streams=1, fresh=True) as running:
        clerk = running.caller()
        async with follow(clerk):
            answer = await clerk.get("/shipments/live")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        await eventually(lambda: running.service.feed.open == 0)
        async with follow(clerk):
            pass


async def test_a_quiet_stream_shows_signs_of_life(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from app_svc.tracking import stream as streams

    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.1)
    monkeypatch.setattr(streams, "CHECK", 0.05)
    async with follow(running.caller()) as stream:
        await eventually(lambda: len(stream.comments) > 2)
    assert stream.events == []


async def test_a_stop_ends_open_streams(start: Any) -> None:
    async with start(fresh=True) as running, follow(running.caller()) as stream:
        running.service.feed.stop()
        await eventually(lambda: stream.ended)


async def test_a_client_that_reads_nothing_is_dropped(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from app_svc import web

    monkeypatch.setattr(web, "SEND_TIME", 0.3)
    clerk = live.caller()
    await clerk.register("A-1")
    base = clerk.http.base_url
    reader, writer = await asyncio.open_connection(base.host, base.port, limit=1024)
    writer.transport.pause_reading()
    head = (
        f"GET /shipments/live HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {clerk.token}\r\nLast-Event-ID: 0\r\n\r\n"
    )
    writer.write(head.encode())
    await eventually(lambda: live.service.feed.open == 1)
    frame = feeds.Frame(0, "", "scanned", b": " + b"x" * 1_000_000 + b"\n\n")

    async def flood(sequence: int, shipment_id: str | None) -> tuple[list[feeds.Frame], int]:
        return [frame], sequence

    monkeypatch.setattr(live.service.feed, "after", flood)
    await eventually(lambda: live.service.feed.open == 0)
    writer.close()
    assert reader is not None


async def test_a_stream_ends_where_it_is_told_to(live: Any) -> None:
    clerk = live.caller()
    await clerk.register("A-1")
    for _ in range(3):
        await clerk.scan("A-1")
    await eventually(lambda: live.service.feed.position == 4)
    async with follow(clerk, last_event_id=1, until=3) as stream:
        await eventually(lambda: stream.ended)
    assert stream.sequences[:2] == [2, 3]  # and what else is there already
    async with follow(clerk, last_event_id=4, until=5) as stream:
        assert not stream.ended
        await clerk.scan("A-1")
        await eventually(lambda: stream.ended)
    assert stream.sequences == [5]
    async with follow(clerk, last_event_id=5, until=2) as stream:
        await eventually(lambda: stream.ended)
    assert stream.sequences == []


def test_clients_are_sent_to_no_bus_where_their_tokens_go_in_the_clear() -> None:
    with pytest.raises(ValidationError, match="live_bus"):
        Settings(live_bus="ws://bus.example")


async def test_the_bus_is_told_the_same_and_the_feed_says_where(start: Any, nats: NatsServer) -> None:
    heard: list[Any] = []
    ear = NatsConnection(nats.url, name="somebody")
    await ear.start()
    async with start(nats_url=nats.url, live_bus=f"{nats.url} wss://bus.example", fresh=True) as running:
        clerk = running.caller()
        session = await ear.session()
        for subject in ("live.shipments.*.*", "live.shipments.place"):
            await session.subscribe(subject, heard.append)
        await eventually(lambda: heard)  # a sign of life
        assert heard[0].subject == "live.shipments.place"
        async with follow(clerk) as stream:
            shipment = (await clerk.register("A-1")).json()
            await clerk.scan("A-1", note="ü")
            await eventually(lambda: len(stream.events) == 2)
            await eventually(lambda: len([one for one in heard if one.data]) == 2)
        told = [one for one in heard if one.data]
        assert [json.loads(one.data) for one in told] == [
            {name: value for name, value in event.items() if name != "event"} for event in stream.events
        ]
        assert [one.subject for one in told] == [
            f"live.shipments.{shipment['id']}.registered",
            f"live.shipments.{shipment['id']}.scanned",
        ]
        assert [one.headers["Feed-Sequence"] for one in told] == ["1", "2"]
        assert len({one.headers["Feed-Teller"] for one in heard}) == 1
        await eventually(lambda: heard[-1].headers["Feed-Sequence"] == "2" and not heard[-1].data)
        headers = {"Authorization": f"Bearer {clerk.token}"}
        for params, subject in (
            ({}, "live.shipments.*.*"),
            ({"shipment_id": "A-1"}, f"live.shipments.{shipment['id']}.*"),
        ):
            async with clerk.http.stream("GET", "/shipments/live", headers=headers, params=params) as response:
                assert response.headers["live-bus"] == f"{nats.url} wss://bus.example"
                assert response.headers["live-subjects"] == f"{subject} live.shipments.place"
    await ear.close()
