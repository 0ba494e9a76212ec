"""The composition root: the one place where the parts of auth-svc are made and put together.

`parts` makes what is shared, `machine` the endpoints of programs, by path, and `site` the pages behind them.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from auth_svc import health
from auth_svc.app.machine import machine_endpoints
from auth_svc.app.parts import SERVICE, Parts, connection_to_bus
from auth_svc.app.site import site
from auth_svc.settings import Settings
from auth_svc.wire import FastLane
from lib_one.bus import Bus
from lib_one.event import Now, utc_now
from lib_one.http import AsyncClient
from lib_one.nats import Presence, bus_checks

__all__ = ["AuthService", "connection_to_bus", "create_app"]


class AuthService(Parts):
    """Everything that one auth-svc process has, wired. It is an ASGI application; its lifespan starts and stops it."""

    def __init__(
        self, settings: Settings, *, now: Now = utc_now, bus: Bus | None = None, outside: AsyncClient | None = None
    ) -> None:
        """Migrate the database and put everything together.

        In tests `bus` takes the place of NATS, and `outside` of the web at addresses that clients gave.

        Raises:
            TrustedIssuersError: a file of trusted issuers is unreadable.
            SecretKeyError: the master secret is missing or unreadable.
            BusDoorError: a key of the bus's door is.
            DatabaseUnavailableError: the database is away.
        """
        super().__init__(settings, now=now, bus=bus, outside=outside)
        self.endpoints = machine_endpoints(self)
        self._application = FastLane(self.endpoints, site(self, self.running), self.traffic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        await self._application(scope, receive, send)

    @asynccontextmanager
    async def running(self, _site: Starlette | None = None) -> AsyncIterator[None]:
        """Be alive: open the keys, apply the seed, relay events. It is the ASGI lifespan, and what a test enters."""
        await self.keys.reload()
        await self.seeding.apply(self.settings.seed_file)
        await self.resources.reload()
        await self.webhooks.reload()
        jobs = (
            self.relay.run,
            self.housekeeping.run,
            self.delivery_worker.run,
            self.push_worker.run,
            self.fetch_worker.run,
            self.webhooks.worker.run,
        )
        tasks = [asyncio.create_task(job()) for job in jobs]
        if self.connection is not None:
            await self.connection.start()
            presence = Presence(
                self.connection,
                version=version(SERVICE),
                description="Authorization server",
                role="server",
                look=self._look,
                stats=self._stats,
            )
            tasks.append(asyncio.create_task(presence.run()))
        if self.door is not None:
            tasks.append(asyncio.create_task(self.door.run()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.passwords.close()
            if self.connection is not None:
                await self.connection.close()
            await self.outside.aclose()
            await self.patient.aclose()
            await self.unhurried.aclose()
            await self.ledger.database.close()

    async def _look(self) -> dict[str, Mapping[str, object]]:
        """How each part is, for operators who ask over the bus."""
        found: dict[str, Mapping[str, object]] = dict(await health.checks(self.ledger, self.relay))
        return found if self.connection is None else found | await bus_checks(self.connection)

    def _stats(self) -> dict[str, object]:
        """For operators who ask over the bus."""
        stats: dict[str, object] = {
            "events_published": self.relay.published,
            "events_refused": self.relay.refused,
        }
        if self.door is not None:
            stats["door"] = self.door.stats()
        return stats


def create_app(
    settings: Settings, *, now: Now = utc_now, bus: Bus | None = None, outside: AsyncClient | None = None
) -> AuthService:
    """Return the whole of auth-svc as an ASGI application."""
    return AuthService(settings, now=now, bus=bus, outside=outside)
