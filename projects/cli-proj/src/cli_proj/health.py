"""How the services are: as each says itself at /ready, and as every process says over the bus, where one may ask.

The second needs an operator's sign-in: with that token we go to the bus and ask every process there, a worker without
an address included, or have auth-svc ask where the bus is out of our reach. The first needs nothing, and is what is
left when auth-svc is away.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from lib_one import http
from lib_one.errors import BusUnavailableError

if TYPE_CHECKING:
    from lib_one.nats.guest import Guest
    from lib_one.nats.presence import ServiceStanding
    from lib_two.session import Session

TIMEOUT = 5.0
"""Seconds that a service has to answer."""
BUS_AGAIN = 60.0
"""Seconds until the bus is tried again when it was out of reach."""


class Health(msgspec.Struct, frozen=True):
    """One service at its address, or one process on the bus."""

    service: str
    address: str | None
    """Its base URL; none for a process that was asked over the bus."""
    status: str
    """`ready`, `not_ready`, `away` (no answer) or `unclear` (an answer that is none)."""
    ok: bool
    version: str | None = None
    checks: dict[str, dict[str, Any]] = {}
    detail: str | None = None
    role: str | None = None
    """What of the service the process does."""
    started: datetime | None = None
    bus_addresses: tuple[str, ...] = ()
    """Where it says that the bus can be reached."""


class _Ready(msgspec.Struct, frozen=True):
    service: str
    status: str
    checks: dict[str, dict[str, Any]]
    version: str | None = None
    bus_addresses: tuple[str, ...] = ()


class _Process(msgspec.Struct, frozen=True):
    name: str
    version: str
    role: str
    started: datetime
    ok: bool
    checks: dict[str, dict[str, Any]]


class _Processes(msgspec.Struct, frozen=True):
    bus: bool
    services: list[_Process]


class Processes:
    """Every process on the bus, for an operator who may ask again: the connection stands from one time to the next."""

    def __init__(self, session: "Session", issuer: str) -> None:
        self.asked_by: str | None = None
        """Who asked them last: `cli-proj` or `auth-svc`."""
        self._session = session
        self._issuer = issuer
        self._guest: Guest | None = None
        self._not_before = 0.0

    async def ask(self, addresses: Sequence[str]) -> list[Health] | None:
        """Ask on the bus, which is at one of these addresses, or have auth-svc ask. None: neither reaches it.

        Raises:
            TokenError: no sign-in, or not an operator's, or auth-svc does not answer.
            MsgspecError: what it answered cannot be read.
        """
        self.asked_by = None
        found: Sequence[ServiceStanding | _Process] | None
        try:
            found, asked_by = await self._on_the_bus(addresses), "cli-proj"
        except BusUnavailableError:
            found, asked_by = await self._through_auth_svc(), "auth-svc"
        if found is None:
            return None
        self.asked_by = asked_by
        return [
            Health(
                one.name,
                None,
                "ready" if one.ok else "not_ready",
                ok=one.ok,
                version=one.version,
                checks=one.checks,
                role=one.role,
                started=one.started,
            )
            for one in found
        ]

    async def close(self) -> None:
        """Leave the bus."""
        guest, self._guest = self._guest, None
        if guest is not None:
            await guest.close()

    async def _on_the_bus(self, addresses: Sequence[str]) -> "list[ServiceStanding]":
        from lib_two.bus import enter

        if self._guest is not None:
            try:
                return await self._guest.standings()
            except BusUnavailableError:  # its token has ended, for one; there may be another
                await self.close()
        now = asyncio.get_running_loop().time()
        if not addresses or now < self._not_before:
            raise BusUnavailableError("out of reach")
        shown = await self._session.bus_pass()
        try:
            self._guest, found = await enter(shown, addresses, (), lambda guest: guest.standings())
        except BusUnavailableError:
            self._not_before = now + BUS_AGAIN
            raise
        return found

    async def _through_auth_svc(self) -> list[_Process] | None:
        answer = await self._session.request("GET", f"{self._issuer}/admin/status", timeout=TIMEOUT)
        found = msgspec.json.decode(answer.content, type=_Processes)
        return found.services if found.bus else None


async def ask(name: str, address: str) -> Health:
    """Ask the service with this base URL. Never raises if it does not answer."""
    try:
        async with http.client(timeout=TIMEOUT) as client:
            response = await asyncio.wait_for(client.get(f"{address}/ready"), TIMEOUT)
        ready = msgspec.json.decode(response.content, type=_Ready)
    except (TimeoutError, http.HTTPError):
        return Health(name, address, "away", ok=False, detail="does not answer")
    except msgspec.MsgspecError:
        return Health(name, address, "unclear", ok=False, detail="what it answered cannot be read")
    ok = ready.status == "ready" and all(check.get("ok") is True for check in ready.checks.values())
    return Health(
        ready.service,
        address,
        ready.status,
        ok=ok,
        version=ready.version,
        checks=ready.checks,
        bus_addresses=ready.bus_addresses,
    )
