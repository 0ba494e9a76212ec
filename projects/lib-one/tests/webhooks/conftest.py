"""A service that has webhooks, and nothing else; and receivers that really listen."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from lib_one.contracts import shipping
from lib_one.contracts.shipping import Place, ShipmentScanned
from lib_one.event import Contract, new_id
from lib_one.http import AsyncClient, guarded_client
from lib_one.secret_key import SecretKey
from lib_one.sql import Outbox, open_database
from lib_one.sql.outbox import metadata as outbox_metadata
from lib_one.testing import Clock, Listener, eventually, in_background, listening
from lib_one.testing.databases import PostgresServer, fresh_database, postgres_server
from lib_one.webhooks import WebhookRoom, WebhookWanted, WebhookWithSecret, facts_of
from lib_one.webhooks.store import Logged
from lib_one.webhooks.store import metadata as webhook_metadata


class Office:
    """One process of a service, on a database that others may use as well."""

    def __init__(self, url: str, clock: Clock, web: AsyncClient | None = None) -> None:
        self.clock = clock
        self.database = open_database(url)
        self.outbox = Outbox(source="/app-svc", now=clock)
        self.web = web or guarded_client(loopback=True)
        self.room = WebhookRoom(
            self.database,
            self.outbox,
            SecretKey(bytes(32), service="test"),
            self.web,
            service="app-svc",
            facts=facts_of(shipping),
            loopback=web is None,
            now=clock,
            dice=lambda: 0.0,
        )
        self.desk = self.room.desk

    async def add(self, listener: Listener, *types: str) -> WebhookWithSecret:
        """An endpoint where somebody listens."""
        return await self.desk.create(WebhookWanted(listener.url, list(types) or ["shipment.*"]))

    async def record(self, *facts: Contract) -> None:
        """Let something have happened."""
        await self.database.work(lambda connection: self.outbox.record(connection, *(facts or [scanned()])))

    async def logged(self, endpoint_id: str) -> list[Logged]:
        """What was sent there, the oldest first."""
        return (await self.desk.log(endpoint_id)).deliveries[::-1]

    async def states(self, endpoint_id: str) -> list[str]:
        return [each.state for each in await self.logged(endpoint_id)]

    async def tried(self, endpoint_id: str, attempts: int) -> None:
        """Wait until so many attempts were made."""

        async def enough() -> bool:
            return sum(len(each.attempts) for each in await self.logged(endpoint_id)) >= attempts

        await eventually(enough)

    async def settled(self, endpoint_id: str) -> None:
        """Wait until nothing waits."""

        async def nothing() -> bool:
            return "waiting" not in await self.states(endpoint_id)

        await eventually(nothing)

    def pass_time(self, by: timedelta) -> None:
        """Turn the clock, and let the worker see that."""
        self.clock.advance(by)
        self.room.worker.wake()

    async def give_up(self, endpoint_id: str) -> None:
        """Turn the clock for a day, so that what fails fails for good."""
        await self.tried(endpoint_id, 1)
        self.pass_time(timedelta(days=1))
        await self.settled(endpoint_id)

    def working(self) -> Any:
        """The worker at work."""
        return in_background(self.room.worker.run())

    async def close(self) -> None:
        await self.web.aclose()
        await self.database.close()


def scanned(revision: int = 2) -> ShipmentScanned:
    return ShipmentScanned(
        shipment_id=new_id(),
        revision=revision,
        scan_id=new_id(),
        biz_step="loading",
        place=Place(name="Zürich"),
        occurred_at=Clock()(),
        scanned_by="dan",
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the tables: SQLite, or PostgreSQL where a test asks for that by parameter."""
    engine = getattr(request, "param", "sqlite")
    with fresh_database(engine, tmp_path, lambda: request.getfixturevalue("postgres")) as found:
        parsed = make_url(found)
        with import_module(f"lib_one.sql.{parsed.get_backend_name()}").migrating(parsed) as connection:
            for metadata in (outbox_metadata, webhook_metadata):
                metadata.create_all(connection)
        yield found


@asynccontextmanager
async def _open(url: str, clock: Clock, web: AsyncClient | None = None) -> AsyncIterator[Office]:
    office = Office(url, clock, web)
    await office.room.reload()
    try:
        yield office
    finally:
        await office.close()


@pytest.fixture
async def office(url: str, clock: Clock) -> AsyncIterator[Office]:
    async with _open(url, clock) as it:
        yield it


@pytest.fixture
async def another(url: str, clock: Clock) -> AsyncIterator[Office]:
    """Another process of the same service."""
    async with _open(url, clock) as it:
        yield it


@pytest.fixture
async def public(url: str, clock: Clock) -> AsyncIterator[Office]:
    """The same where nothing on this machine may be asked."""
    async with _open(url, clock, guarded_client()) as it:
        yield it


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as it:
        yield it


@pytest.fixture
async def neighbour() -> AsyncIterator[Listener]:
    async with listening() as it:
        yield it
