"""How the services are, as they say themselves at /ready."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from lib_one import http

TIMEOUT = 5.0
"""Seconds that a service has to answer."""


class Health(msgspec.Struct, frozen=True):
    """One service as it stands."""

    service: str
    address: str
    status: str
    """`ready`, `not_ready`, `away` (no answer) or `unclear` (an answer that is none)."""
    ok: bool
    version: str | None = None
    checks: dict[str, dict[str, Any]] = {}
    detail: str | None = None


class _Ready(msgspec.Struct, frozen=True):
    service: str
    status: str
    checks: dict[str, dict[str, Any]]
    version: str | None = None


async def ask(addresses: Mapping[str, str]) -> list[Health]:
    """Ask all services at once; `addresses` has the base URL of each. Never raises for one that does not answer."""
    async with http.client(timeout=TIMEOUT) as client:
        return list(await asyncio.gather(*(_health(client, name, address) for name, address in addresses.items())))


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
