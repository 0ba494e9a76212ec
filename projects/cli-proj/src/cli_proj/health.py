"""How the services are: as each says itself at /ready, and as every process says over the bus, where one may ask.

The second needs an operator's sign-in: auth-svc then asks every process that is on the bus, a worker without an address
included. The first needs nothing, and is what is left when auth-svc or the bus is away.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from lib_one import http

if TYPE_CHECKING:
    from lib_two.session import Session

TIMEOUT = 5.0
"""Seconds that a service has to answer."""


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


class _Ready(msgspec.Struct, frozen=True):
    service: str
    status: str
    checks: dict[str, dict[str, Any]]
    version: str | None = None


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


async def ask(addresses: Mapping[str, str]) -> list[Health]:
    """Ask all services at once; `addresses` has the base URL of each. Never raises for one that does not answer."""
    async with http.client(timeout=TIMEOUT) as client:
        return list(await asyncio.gather(*(_health(client, name, address) for name, address in addresses.items())))


async def ask_processes(session: "Session", issuer: str) -> list[Health] | None:
    """Have auth-svc ask every process on the bus; None if the bus is away.

    Raises:
        TokenError: no sign-in, or not an operator's, or auth-svc does not answer.
        MsgspecError: what it answered cannot be read.
    """
    answer = await session.request("GET", f"{issuer}/admin/status", timeout=TIMEOUT)
    found = msgspec.json.decode(answer.content, type=_Processes)
    if not found.bus:
        return None
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
        for one in found.services
    ]


async def _health(client: http.AsyncClient, name: str, address: str) -> Health:
    try:
        response = await asyncio.wait_for(client.get(f"{address}/ready"), TIMEOUT)
        ready = msgspec.json.decode(response.content, type=_Ready)
    except (TimeoutError, http.HTTPError):
        return Health(name, address, "away", ok=False, detail="does not answer")
    except msgspec.MsgspecError:
        return Health(name, address, "unclear", ok=False, detail="what it answered cannot be read")
    ok = ready.status == "ready" and all(check.get("ok") is True for check in ready.checks.values())
    return Health(ready.service, address, ready.status, ok=ok, version=ready.version, checks=ready.checks)
