"""The composition root: every part of app-svc is made and wired here, and nowhere else."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi

from app_svc import dead_letters, web, webhooks
from app_svc.bus import SERVICE, connection_to_bus
from app_svc.metrics import metrics
from app_svc.settings import Settings, secret
from app_svc.shipments import ShipmentViews
from app_svc.shipments import routes as shipment_routes
from app_svc.shipments.store import ShipmentStore
from app_svc.tracking import routes as tracking_routes
from app_svc.tracking import store as tracking_store
from app_svc.tracking.announcer import Announcer
from app_svc.tracking.feed import LiveFeed
from app_svc.tracking.projector import Projector
from lib_one import http
from lib_one.errors import BusUnavailableError
from lib_one.event import Now, utc_now
from lib_one.nats import APP_PROJECTOR, Check, DeadLetters, JetStreamBus, Presence, bus_checks
from lib_one.observe import CONTENT_TYPE, Observed, Traffic, get_logger
from lib_one.sql import STUCK, Database, DatabaseError, Outbox, Relay, open_database
from lib_one.webhooks import TIMEOUT
from lib_two import fastapi as tokens
from lib_two.guard import Guard
from lib_two.revocation import RevocationView

SOURCE = "/app-svc"
SCOPES = ("shipments:read", "shipments:write", "shipments:scan", "shipments:admin")

log = get_logger(__name__)


class AppService:
    """The HTTP service with its parts. The tables are there already (`app-svc migrate`, or `serve` itself)."""

    def __init__(self, settings: Settings, *, now: Now = utc_now) -> None:
        self.settings = settings
        self.now = now
        self.traffic = Traffic()
        self.database = open_database(settings.database_url)
        self.connection = connection_to_bus(settings)
        self.bus = JetStreamBus(self.connection, replicas=settings.nats_replicas)
        self.http = http.client(timeout=3.0)
        self.view = RevocationView(now=now)
        self.guard = Guard(
            issuer=settings.issuer,
            audience=settings.resource,
            view=self.view,
            http=self.http,
            client_id=settings.client_id,
            client_secret=secret(settings.client_secret_file) or "",
            now=now,
        )
        self.relay = Relay(self.database, self.bus, now=now)
        views = ShipmentViews(now=now)
        self.feed = LiveFeed(self.database, views)
        self.projector = Projector(self.database, now=now, written=self.feed.wake)
        self.api = FastAPI(
            title="app-svc",
            summary="Shipment tracking",
            version=version(SERVICE),
            lifespan=self._lifespan,
            docs_url=None,  # its page loads scripts from elsewhere
            redoc_url=None,
            redirect_slashes=False,
            telemetry={"tracing": False, "metrics": False, "logs": False},  # it would read the environment by itself
        )
        self.api.add_middleware(Observed, traffic=self.traffic)
        web.install(self.api)
        tokens.install(
            self.api,
            self.guard,
            resource=settings.resource,
            issuer=settings.issuer,
            scopes=SCOPES,
            name="Shipment tracking",
        )
        outbox = Outbox(source=SOURCE, now=now)
        store = ShipmentStore(outbox, now=now)
        self.outside = http.guarded_client(loopback=settings.loopback, timeout=TIMEOUT)
        self.webhooks = webhooks.webhooks(settings, self.database, outbox, self.outside, now=now)
        # Tracking first: `/shipments/live` must not be taken for a shipment with that reference. The routes are taken
        # one by one because an included router costs every request a second round of matching (60 of 200 µs).
        for routes in (
            tracking_routes.router(
                self.database, self.feed, views, most_streams=settings.live_streams, bus=settings.live_bus
            ),
            shipment_routes.router(self.database, store, now=now),
            dead_letters.router(DeadLetters(self.bus, service=SERVICE)),
            webhooks.router(self.webhooks.desk),
        ):
            self.api.router.routes.extend(routes.routes)
        self.api.add_api_route("/health", self._health, methods=["GET"], tags=["operation"])
        self.api.add_api_route("/ready", self._ready, methods=["GET"], tags=["operation"])
        self.metrics = metrics(
            database=self.database,
            relay=self.relay,
            traffic=self.traffic,
            bus=self.bus,
            guard=self.guard,
            feed=self.feed,
            webhooks=self.webhooks,
            most_streams=settings.live_streams,
            now=now,
        )
        if settings.shows_metrics:
            self.api.add_api_route("/metrics", self._metrics, methods=["GET"], tags=["operation"])
        self.api.openapi = self._openapi  # type: ignore[method-assign]

    @asynccontextmanager
    async def _lifespan(self, _api: FastAPI) -> AsyncGenerator[None]:
        await self.connection.start()
        await self.webhooks.reload()
        jobs: dict[str, Callable[[], Awaitable[None]]] = {
            "revocation view": lambda: self.view.run(self.connection),
            "relay": self.relay.run,
            "live feed": self.feed.run,
            "webhooks, what others changed": lambda: webhooks.reload_for_ever(self.webhooks),
            "live feed on the bus": Announcer(self.feed, self.connection).run,
            "presence": Presence(
                self.connection,
                version=self.api.version,
                description=self.api.summary or "",
                role="api, timeline, webhooks" if self.settings.workers else "api",
                look=self._look,
                stats=self._stats,
            ).run,
        }
        if self.settings.workers:
            jobs["timeline"] = lambda: self.projector.run(self.bus)
            jobs["inbox"] = self.projector.prune_for_ever
            jobs["webhooks"] = self.webhooks.worker.run
            jobs["webhooks, old ones"] = lambda: webhooks.sweep_for_ever(self.database, now=self.now)
        tasks = [asyncio.create_task(for_ever(name, job), name=name) for name, job in jobs.items()]
        try:
            yield
        finally:
            self.feed.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.connection.close()
            await self.http.aclose()
            await self.outside.aclose()
            await self.database.close()

    def _stats(self) -> dict[str, Any]:
        """For operators who ask over the bus."""
        return {"feed_position": self.feed.position, "live_streams": self.feed.open, "guard": self.guard.status()}

    async def _health(self) -> Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def _metrics(self) -> Response:
        """What this process counts and measures, for Prometheus. A proxy must not publish it."""
        return Response(await self.metrics.text(), headers={"Cache-Control": "no-store"}, media_type=CONTENT_TYPE)

    async def _ready(self) -> Response:
        """Whether requests can be served: 200 or 503, with the state of each part; `missing` names what is not right.

        The bus may be away: then events wait in the outbox, and the issuer is asked about tokens.
        """
        checks = {"bus": {"ok": self.connection.connected}, **await self._checks(), "timeline": await self._timeline()}
        ready = checks["database"]["ok"] and checks["revocation"]["ok"]
        body = {
            "service": SERVICE,
            "version": self.api.version,
            "status": "ready" if ready else "not_ready",
            "missing": [name for name, check in checks.items() if not check["ok"]],
            "checks": checks,
        }
        return web.json_response(body, 200 if ready else 503, {"Cache-Control": "no-store"})

    async def _checks(self) -> dict[str, dict[str, Any]]:
        """How the database, the outbox and the revocation view are."""
        checks: dict[str, dict[str, Any]] = {"database": {"ok": True, "kind": self.database.dialect}}
        try:
            self.database.lookup(tracking_store.position)
            backlog = await self.relay.backlog()
            age = backlog.age(self.now())
            checks["outbox"] = {
                "ok": age < STUCK,
                "pending": backlog.events,
                "oldest_seconds": round(age.total_seconds(), 3),
            }
        except DatabaseError as error:
            checks["database"] |= {"ok": False, "reason": str(error)}
        age_of_keys = self.guard.metadata.keys_age
        keys = {"jwks_age_seconds": None if age_of_keys is None else round(age_of_keys, 1)}
        checks["revocation"] = {"ok": await self.guard.ready(), **self.guard.status(), **keys}
        return checks

    async def _look(self) -> dict[str, Check]:
        """How each part is, for operators who ask over the bus."""
        return {**await self._checks(), **await bus_checks(self.connection)}

    async def _timeline(self) -> dict[str, Any]:
        """How far the worker that builds the timeline is behind. It may run in another process."""
        worker = "in this process" if self.settings.workers else "elsewhere"
        try:
            backlog = await self.bus.backlog(APP_PROJECTOR) if self.connection.connected else None
        except BusUnavailableError:
            backlog = None
        return {"ok": backlog is not None, "backlog": backlog, "worker": worker}

    def _openapi(self) -> dict[str, Any]:
        if self.api.openapi_schema is None:
            schema = get_openapi(
                title=self.api.title, version=self.api.version, summary=self.api.summary, routes=self.api.routes
            )
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components.update(
                web.components(*shipment_routes.BODIES, *tracking_routes.BODIES, *dead_letters.BODIES, *webhooks.BODIES)
            )
            self.api.openapi_schema = schema
        return self.api.openapi_schema


class TimelineWorker:
    """The worker that builds the timeline, alone in its process."""

    def __init__(self, settings: Settings, *, now: Now = utc_now) -> None:
        self._database: Database = open_database(settings.database_url)
        self._connection = connection_to_bus(settings)
        self._bus = JetStreamBus(self._connection, replicas=settings.nats_replicas)
        self._projector = Projector(self._database, now=now, written=lambda: None)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._connection.start()
        presence = Presence(
            self._connection,
            version=version(SERVICE),
            description="Builds the timeline",
            role="timeline",
            look=self._look,
        )
        log.info("the timeline worker runs")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(for_ever("timeline", lambda: self._projector.run(self._bus)))
                tasks.create_task(for_ever("inbox", self._projector.prune_for_ever))
                tasks.create_task(for_ever("presence", presence.run))
        finally:
            await self._connection.close()
            await self._database.close()

    async def _look(self) -> dict[str, Check]:
        database: dict[str, Any] = {"ok": True, "kind": self._database.dialect}
        try:
            self._database.lookup(tracking_store.position)
        except DatabaseError as error:
            database |= {"ok": False, "reason": str(error)}
        return {"database": database, **await bus_checks(self._connection)}


class WebhookWorker:
    """The worker that sends webhooks, alone in its process."""

    def __init__(self, settings: Settings, *, now: Now = utc_now) -> None:
        """Put it together.

        Raises:
            SecretKeyError: the file of the master secret is missing or unreadable.
        """
        self._database: Database = open_database(settings.database_url)
        self._connection = connection_to_bus(settings)
        self._outside = http.guarded_client(loopback=settings.loopback, timeout=TIMEOUT)
        self._now = now
        outbox = Outbox(source=SOURCE, now=now)
        self._webhooks = webhooks.webhooks(settings, self._database, outbox, self._outside, now=now)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._connection.start()
        presence = Presence(self._connection, version=version(SERVICE), description="Sends webhooks", role="webhooks")
        log.info("the worker of webhooks runs")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(for_ever("webhooks", self._webhooks.worker.run))
                tasks.create_task(for_ever("reload", lambda: webhooks.reload_for_ever(self._webhooks)))
                tasks.create_task(for_ever("sweep", lambda: webhooks.sweep_for_ever(self._database, now=self._now)))
                tasks.create_task(for_ever("presence", presence.run))
        finally:
            await self._connection.close()
            await self._outside.aclose()
            await self._database.close()


async def for_ever(name: str, job: Callable[[], Awaitable[None]]) -> None:
    """Run a job that never ends by itself, and run it again when it fails all the same."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("a background job failed and is started again", job=name)
        await asyncio.sleep(1)
