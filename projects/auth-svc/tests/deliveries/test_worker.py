"""Deliveries arrive: after failures, after a crash, and whoever else is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import auth_svc.app  # noqa: F401 - every table
from auth_svc.db import Ledger
from auth_svc.deliveries import Deliveries, DeliveryWorker, Message
from auth_svc.deliveries.store import deliveries as table
from lib_one.courier import SHARE
from lib_one.http import ConnectError, MockTransport, Request, Response, client
from lib_one.sql import Outbox, open_database, upgrade
from lib_one.sql.outbox import outbox_table
from lib_one.testing import Clock, eventually, in_background
from lib_one.testing.databases import fresh_database

DAY = timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def office(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator["Office"]:
    kind = request.param
    with fresh_database(kind, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        upgrade(url, package="auth_svc")
        clock = Clock()
        ledger = Ledger(open_database(url), Outbox(source="/auth-svc", now=clock), clock)
        yield Office(ledger, clock)
        await ledger.database.close()


class Office:
    """A ledger with deliveries, and clients on the other side."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.deliveries = Deliveries(ledger)
        self.taken: list[Request] = []
        self.answers: dict[str, Any] = {}
        self.composed: dict[str, Any] = {"news": self._compose}

    def worker(self) -> DeliveryWorker:
        web = client(transport=MockTransport(self._respond))
        return DeliveryWorker(self.ledger, self.deliveries, web, self.composed)

    async def post(self, client_id: str = "shop", payload: bytes = b"hello", kind: str = "news") -> str:
        return await self.ledger.database.work(
            lambda c: self.deliveries.post(c, kind=kind, client_id=client_id, payload=payload, life=DAY)
        )

    async def waiting(self) -> int:
        count = select(func.count()).select_from(table)
        return await self.ledger.database.read(lambda c: c.execute(count).scalar_one())

    async def attempts(self) -> int:
        total = select(func.coalesce(func.sum(table.c.attempts), 0))
        return await self.ledger.database.read(lambda c: int(c.execute(total).scalar_one()))

    async def all_settled(self) -> bool:
        return await self.waiting() == 0

    async def facts(self) -> list[str]:
        statement = select(outbox_table.c.subject).order_by(outbox_table.c.position)
        found = await self.ledger.database.read(lambda c: list(c.execute(statement).scalars()))
        return [subject.rpartition(".")[2] for subject in found]

    @staticmethod
    def _compose(payload: bytes) -> Message:
        return Message(url=f"https://{payload.decode()}.example/in", headers={"x-kind": "news"}, body=payload)

    async def _respond(self, request: Request) -> Response:
        self.taken.append(request)
        answer = self.answers.get(request.url.host, 204)
        if isinstance(answer, int):
            return Response(answer)
        return await answer(request)  # type: ignore[no-any-return]


async def test_posted_message_arrives_and_is_forgotten(office: Office) -> None:
    async with in_background(office.worker().run()):
        await office.post()
        await eventually(office.all_settled)
    (request,) = office.taken
    assert (request.method, str(request.url)) == ("POST", "https://hello.example/in")
    assert (request.headers["x-kind"], request.content) == ("news", b"hello")
    assert await office.facts() == ["made"]


async def test_a_unit_of_work_that_raises_posts_nothing(office: Office) -> None:
    def unit(connection: Any) -> None:
        office.deliveries.post(connection, kind="news", client_id="shop", payload=b"hello", life=DAY)
        raise LookupError

    with pytest.raises(LookupError):
        await office.ledger.database.work(unit)
    assert await office.waiting() == 0


@pytest.mark.parametrize("answer", [400, 302, "away"])
async def test_failed_delivery_is_tried_again_with_back_off(office: Office, answer: Any) -> None:
    async def away(request: Request) -> Response:
        raise ConnectError("nobody", request=request)

    office.answers["hello.example"] = away if answer == "away" else answer
    async with in_background(office.worker().run()):
        await office.post()
        for attempts in (1, 2):
            await eventually(lambda attempts=attempts: _has(office, attempts))
            assert len(office.taken) == attempts
            office.clock.advance(timedelta(seconds=5 * 2 ** (attempts - 1)))
        await eventually(lambda: _has(office, 3))
        office.answers.clear()
        office.clock.advance(timedelta(seconds=20))
        await eventually(office.all_settled)
    assert await office.facts() == ["made"]


async def test_after_its_life_a_delivery_is_abandoned_and_said_so(office: Office) -> None:
    office.answers["hello.example"] = 503
    async with in_background(office.worker().run()):
        await office.post()
        await eventually(lambda: _has(office, 1))
        office.clock.advance(DAY)
        await eventually(office.all_settled)
    assert len(office.taken) == 2
    assert await office.facts() == ["abandoned"]


async def test_a_crash_loses_nothing(office: Office) -> None:
    arrived = asyncio.Event()

    async def hang(_request: Request) -> Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError("never")

    office.answers["hello.example"] = hang
    async with in_background(office.worker().run()):
        await office.post()
        await arrived.wait()
    office.answers.clear()
    async with in_background(office.worker().run()):
        await eventually(office.all_settled)
    assert len(office.taken) == 2


async def test_a_client_that_hangs_holds_up_nobody_else(office: Office) -> None:
    async def hang(_request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError("never")

    office.answers["slow.example"] = hang
    for _ in range(50):
        await office.post("slow", b"slow")
    for _ in range(10):
        await office.post("quick", b"quick")
    async with in_background(office.worker().run()):
        await eventually(lambda: _waits_only_for_slow(office))
    hosts = [request.url.host for request in office.taken]
    assert (hosts.count("quick.example"), hosts.count("slow.example")) == (10, SHARE)


async def test_two_workers_deliver_once(office: Office) -> None:
    for _ in range(20):
        await office.post()
    async with in_background(office.worker().run()), in_background(office.worker().run()):
        await eventually(office.all_settled)
    assert len(office.taken) == 20


async def test_a_message_that_cannot_be_composed_is_tried_again(office: Office) -> None:
    await office.post(kind="of a later release")
    async with in_background(office.worker().run()):
        await eventually(lambda: _has(office, 1))
    assert office.taken == []


async def test_a_failure_that_nobody_thought_of_backs_off_too(office: Office) -> None:
    async def broken(_request: Request) -> Response:
        raise ZeroDivisionError

    office.answers["hello.example"] = broken
    await office.post()
    async with in_background(office.worker().run()):
        await eventually(lambda: _has(office, 1))
        office.answers.clear()
        office.clock.advance(timedelta(seconds=5))
        await eventually(office.all_settled)
    assert len(office.taken) == 2


async def test_nobody_to_tell_is_done(office: Office) -> None:
    office.composed["gone"] = lambda _payload: None
    await office.post(kind="gone")
    async with in_background(office.worker().run()):
        await eventually(office.all_settled)
    assert office.taken == []


async def _has(office: Office, attempts: int) -> bool:
    return await office.attempts() == attempts


async def _waits_only_for_slow(office: Office) -> bool:
    return await office.waiting() == 50
