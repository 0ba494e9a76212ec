"""The bus is away, at the start or for a while: writes go on, nothing is lost, and nothing comes twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app_svc.tracking import store
from lib_one.testing import eventually, nats_server


@pytest.fixture
async def sleeping_nats() -> AsyncIterator[Any]:
    async with nats_server(running=False) as server:
        yield server


async def ready(running: Any) -> tuple[int, dict[str, Any]]:
    answer = await running.http.get("/ready")
    return answer.status_code, answer.json()


async def sequences(running: Any) -> list[int]:
    rows = await running.service.database.read(lambda connection: store.after(connection, 0, limit=1000))
    return [entry.sequence for _, entry in rows]


async def test_writes_go_on_while_the_bus_is_away_and_their_events_follow(start: Any, sleeping_nats: Any) -> None:
    async with start(nats_url=sleeping_nats.url) as running:
        clerk = running.caller()
        for number in range(5):
            assert (await clerk.register(f"A-{number}")).status_code == 201
            assert (await clerk.scan(f"A-{number}")).status_code == 201
        status, body = await ready(running)
        assert (status, body["status"]) == (200, "ready"), "introspection answers"
        assert body["checks"]["bus"] == {"ok": False}
        assert body["missing"] == ["bus", "timeline"]
        assert body["checks"]["outbox"]["pending"] == 10
        assert body["checks"]["outbox"]["ok"], "nothing has waited for long"
        assert body["checks"]["timeline"] == {"ok": False, "backlog": None, "worker": "in this process"}
        assert (await clerk.get("/shipments/A-1/timeline")).json()["entries"] == []

        await sleeping_nats.start()

        async def drained() -> bool:
            return len(await sequences(running)) == 10

        await eventually(drained)
        _, body = await ready(running)
        assert body["checks"]["bus"] == {"ok": True}
        assert body["checks"]["outbox"] == {"ok": True, "pending": 0, "oldest_seconds": 0.0}
        assert body["checks"]["timeline"]["ok"]
        entries = (await clerk.get("/shipments/A-1/timeline")).json()["entries"]
        assert [entry["kind"] for entry in entries] == ["registered", "scanned"]


async def test_an_outage_in_the_middle_of_writes_loses_and_repeats_nothing(start: Any, sleeping_nats: Any) -> None:
    await sleeping_nats.start()
    async with start(nats_url=sleeping_nats.url) as running:
        clerk = running.caller()
        await clerk.register("A-1")
        stop = asyncio.Event()
        written = 0

        async def write() -> None:
            nonlocal written
            while not stop.is_set():
                assert (await clerk.scan("A-1")).status_code == 201
                written += 1
                await asyncio.sleep(0.002)

        writing = asyncio.create_task(write())
        await eventually(lambda: written > 20)
        await sleeping_nats.kill()
        before = written
        await eventually(lambda: written > before + 50)
        await sleeping_nats.start()
        before = written
        await eventually(lambda: written > before + 20)
        stop.set()
        await writing

        async def complete() -> bool:
            entries = (await clerk.get("/shipments/A-1/timeline")).json()["entries"]
            return len(entries) == written + 1

        await eventually(complete)
        assert await sequences(running) == list(range(1, written + 2))


async def test_without_bus_and_issuer_nothing_is_ready_and_nothing_is_let_in(start: Any, issuer: Any) -> None:
    async with start() as running:
        clerk = running.caller()
        assert (await clerk.get("/shipments")).status_code == 200
        issuer.stop()
        answer = await clerk.get("/shipments")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) > 0
        status, body = await ready(running)
        assert (status, body["status"]) == (503, "not_ready")
        assert "revocation" in body["missing"]
        assert body["checks"]["revocation"]["ok"] is False
        assert body["checks"]["database"]["ok"] is True
        assert (await running.http.get("/health")).json() == {"status": "ok"}


async def test_facts_that_are_lost_with_the_bus_before_they_were_read_arrive_once(start: Any, nats: Any) -> None:
    async with start(nats_url=nats.url, workers=False) as running:
        clerk = running.caller()
        for number in range(3):
            assert (await clerk.register(f"A-{number}")).status_code == 201
            assert (await clerk.scan(f"A-{number}")).status_code == 201

        async def told() -> bool:
            return await running.service.relay.pending() == 0

        await eventually(told)
        assert await sequences(running) == []
    await nats.wipe()
    await nats.start()
    async with start(nats_url=nats.url) as running:
        clerk = running.caller()
        assert (await clerk.scan("A-1", "departing")).status_code == 201

        async def complete() -> bool:
            return len(await sequences(running)) == 7

        await eventually(complete)
        entries = (await clerk.get("/shipments/A-1/timeline")).json()["entries"]
        assert [entry["biz_step"] for entry in entries] == [None, "loading", "departing"]
        # The same loss again, now that all is read: copies, and nothing comes of them.
        await nats.wipe()
        await nats.start()
        assert (await clerk.scan("A-2", "departing")).status_code == 201
        await eventually(lambda: _there(running, 8))
        assert await sequences(running) == list(range(1, 9))


async def _there(running: Any, count: int) -> bool:
    return len(await sequences(running)) >= count
