"""A real nats-server for each test, and connections that are closed after it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from lib_one.errors import BusUnavailableError
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.testing import NatsServer, eventually, nats_server

type Connect = Callable[..., Awaitable[NatsConnection]]
type MakeBus = Callable[..., Awaitable[JetStreamBus]]
type Run = Callable[[Coroutine[object, object, None]], asyncio.Task[None]]


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    """A nats-server where everybody may do everything."""
    async with nats_server() as running:
        yield running


@pytest.fixture
async def locked_server() -> AsyncIterator[NatsServer]:
    """A nats-server as it is shipped: a key for each user, and each with its own rights."""
    async with nats_server(open_door=False) as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect to a server; with `key`, as that user."""
    connections: list[NatsConnection] = []

    async def make(server: NatsServer, name: str = "test", *, key: bool = False, wait: bool = True) -> NatsConnection:
        connection = NatsConnection(server.url, name=name, nkey_seed=server.seed(name) if key else None)
        connections.append(connection)
        await connection.start()
        if wait:
            assert await connection.wait_connected(30)
        return connection

    yield make
    for connection in connections:
        await connection.close()


@pytest.fixture
async def make_bus(connect: Connect) -> MakeBus:
    """A bus whose streams stand, however long that takes: a publish waits a second for them at most."""

    async def make(server: NatsServer, name: str = "test", *, key: bool = False, **options: Any) -> JetStreamBus:
        bus = JetStreamBus(await connect(server, name, key=key), **options)

        async def stands() -> bool:
            try:
                return await bus.ready() is not None
            except BusUnavailableError:
                return False

        await eventually(stands)
        return bus

    return make


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Run something in the background until the test ends."""
    tasks: list[asyncio.Task[None]] = []

    def start(coroutine: Coroutine[object, object, None]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(coroutine))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [result for result in results if isinstance(result, Exception)] == []
