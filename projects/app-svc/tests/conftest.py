"""What the tests of app-svc share: the real service on a free port, a fake issuer, and words for what clients do."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from app_svc.app import AppService
from app_svc.settings import Settings
from lib_one.contracts.revocation import RevocationHeartbeat
from lib_one.event import Now, event, new_id, utc_now
from lib_one.http import AsyncClient, Response, client
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.sql import upgrade
from lib_one.testing import NatsServer, eventually, free_port, log_as_before, nats_server
from lib_one.testing.databases import PostgresServer, fresh_database, postgres_server
from lib_two.revocation import RevocationView
from lib_two.testing import FakeIssuer, QuietFeed

ALL = "shipments:read shipments:write shipments:scan"
FRANKFURT = {"name": "Frankfurt am Main (FRA)", "country": "DE", "latitude": 50.0264, "longitude": 8.54313}
ABIDJAN = {"name": "Port-Bouët, Abidjan", "country": "Côte d'Ivoire", "latitude": None, "longitude": None}


class Caller:
    """A client of the API with one token."""

    def __init__(self, http: AsyncClient, token: str) -> None:
        self.http = http
        self.token = token

    async def send(self, method: str, path: str, body: object = None, **options: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if body is not None:
            options["content"] = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        return await self.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Response:
        return await self.send("GET", path, params=params)

    async def register(self, reference: str | None = None, **more: Any) -> Response:
        body = {"reference": reference or new_id(), "origin": FRANKFURT, "destination": ABIDJAN, **more}
        return await self.send("POST", "/shipments", body)

    async def scan(self, key: str, biz_step: str = "loading", **more: Any) -> Response:
        body = {"biz_step": biz_step, "place": FRANKFURT, **more}
        return await self.send("POST", f"/shipments/{key}/scans", body)


class Running:
    """The service while it runs, and its address."""

    def __init__(self, service: AppService, http: AsyncClient, issuer: FakeIssuer) -> None:
        self.service = service
        self.http = http
        self.issuer = issuer

    def caller(self, scope: str = ALL, *, subject: str = "clara", **claims: Any) -> Caller:
        return Caller(self.http, self.issuer.mint(subject, scope, **claims))


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def _stay_fresh(view: RevocationView, now: Now, _connection: object) -> None:
    view.follow(QuietFeed(created="2026-11-21T12:00:00Z"), lambda: True)
    while True:
        view.apply(event(RevocationHeartbeat(sent_at=now()), source="/auth-svc", now=now), 0)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def run_service(
    issuer: FakeIssuer,
    url: str,
    *,
    now: Now = utc_now,
    nats_url: str | None = None,
    fresh: bool = False,
    **more: Any,
) -> AsyncIterator[Running]:
    """Run the service. `fresh`: its revocation view believes to be up to date, though there is no bus."""
    folder = Path(more.pop("folder"))
    secret = folder / "secret"
    secret.write_text("app-svc-secret\n")
    await asyncio.to_thread(upgrade, url, package="app_svc")
    settings = Settings(
        database_url=url,
        nats_url=nats_url or f"nats://127.0.0.1:{free_port()}",
        issuer=issuer.url,
        client_secret_file=secret,
        secret_key_file=folder / "secret.key",
        **more,
    )
    service = AppService(settings, now=now)
    if fresh:
        setattr(service.view, "run", partial(_stay_fresh, service.view, now))  # noqa: B010 - a method
    server = _Server(uvicorn.Config(service.api, log_config=None, ws="none", timeout_graceful_shutdown=2))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.005)
                assert not serving.done(), await serving
            async with client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as http:
                yield Running(service, http, issuer)
        finally:
            service.feed.stop()
            server.should_exit = True
            await serving


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    with log_as_before():
        yield


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as fake:
        yield fake


type Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def start(issuer: FakeIssuer, tmp_path: Path) -> Start:
    """Starts the service: `async with start(nats_url=…) as running`. The database outlives it."""

    def begin(**more: Any) -> AbstractAsyncContextManager[Running]:
        url = more.pop("url", f"sqlite:///{tmp_path / 'app.db'}")
        return run_service(issuer, url, folder=tmp_path, **more)

    return begin


@pytest.fixture
async def running(start: Start) -> AsyncIterator[Running]:
    """The service without a bus."""
    async with start(fresh=True) as it:
        yield it


@pytest.fixture
async def nats() -> AsyncIterator[NatsServer]:
    async with nats_server() as server:
        yield server


@pytest.fixture
async def live(start: Start, nats: NatsServer, issuer: FakeIssuer) -> AsyncIterator[Running]:
    """The service on a bus on which the issuer tells revocations."""
    connection = NatsConnection(nats.url, name="auth-svc")
    await connection.start()
    async with issuer.on_bus(JetStreamBus(connection)), start(nats_url=nats.url) as running:
        await eventually(lambda: running.service.view.state() == "FRESH")
        yield running
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service without a bus for all tests of a module, which share its event loop and its data."""
    folder = tmp_path_factory.mktemp("shared")
    with FakeIssuer() as fake:
        async with run_service(fake, f"sqlite:///{folder / 'app.db'}", folder=folder, fresh=True) as it:
            yield it


@pytest.fixture
def clerk(running: Running) -> Caller:
    """Somebody who may do everything."""
    return running.caller()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, on each engine."""
    with fresh_database(request.param, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        yield url
