"""/health (does the process answer?) and /ready (can it do its work?)."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from auth_svc import keys
from auth_svc.db import Ledger
from auth_svc.wire import Endpoint, Request, Response, json_response
from lib_one.sql import STUCK, DatabaseError, Relay


async def checks(ledger: Ledger, relay: Relay) -> dict[str, dict[str, Any]]:
    """How the database, the outbox and the keys are."""
    database: dict[str, Any] = {"ok": True, "kind": ledger.database.dialect}
    try:
        backlog = await relay.backlog()
        signing = await ledger.database.read(keys.count)
    except DatabaseError as error:
        return {"database": database | {"ok": False, "error": type(error).__name__}}
    age = backlog.age(ledger.now())
    outbox: dict[str, Any] = {
        "ok": age < STUCK,
        "pending": backlog.events,
        "oldest_seconds": round(age.total_seconds(), 3),
    }
    return {"database": database, "outbox": outbox, "keys": {"ok": signing > 0, "count": signing}}


def endpoints(
    ledger: Ledger, relay: Relay, bus_connected: Callable[[], bool], bus_addresses: Sequence[str]
) -> dict[str, Endpoint]:
    """Return the two paths. `bus_addresses` is told: where whoever has a token reaches the bus.

    `missing` names every part that is not as it should be. Bus and outbox are reported and not required: without the
    bus, events wait in the outbox, and one that has waited for long says that something is wrong with it.
    """

    async def health(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(_request: Request) -> Response:
        found = {"bus": {"ok": bus_connected()}, **await checks(ledger, relay)}
        good = all(name in found and found[name]["ok"] is True for name in ("database", "keys"))
        return json_response(
            {
                "service": "auth-svc",
                "version": version("auth-svc"),
                "status": "ready" if good else "not_ready",
                "missing": [name for name, check in found.items() if not check["ok"]],
                "checks": found,
                "bus_addresses": bus_addresses,
            },
            status=200 if good else 503,
        )

    return {"/health": Endpoint({"GET": health}), "/ready": Endpoint({"GET": ready})}
