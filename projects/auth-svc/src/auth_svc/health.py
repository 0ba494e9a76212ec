"""/health (does the process answer?) and /ready (can it do its work?)."""

from collections.abc import Callable
from importlib.metadata import version

from auth_svc import keys
from auth_svc.db import Ledger
from auth_svc.wire import Endpoint, Request, Response, json_response
from lib_one.sql import STUCK, DatabaseError, Relay


def endpoints(ledger: Ledger, relay: Relay, bus_connected: Callable[[], bool]) -> dict[str, Endpoint]:
    """Return the two paths.

    `missing` names every part that is not as it should be. Bus and outbox are reported and not required: without the
    bus, events wait in the outbox, and one that has waited for long says that something is wrong with it.
    """

    async def health(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(_request: Request) -> Response:
        checks: dict[str, dict[str, object]] = {"bus": {"ok": bus_connected()}}
        try:
            backlog = await relay.backlog()
            signing = await ledger.database.read(keys.count)
            checks["database"] = {"ok": True}
            age = backlog.age(ledger.now())
            checks["outbox"] = {
                "ok": age < STUCK,
                "pending": backlog.events,
                "oldest_seconds": round(age.total_seconds(), 3),
            }
            checks["keys"] = {"ok": signing > 0, "count": signing}
        except DatabaseError as error:
            checks["database"] = {"ok": False, "error": type(error).__name__}
        good = checks["database"]["ok"] is True and checks["keys"]["ok"] is True
        return json_response(
            {
                "service": "auth-svc",
                "version": version("auth-svc"),
                "status": "ready" if good else "not_ready",
                "missing": [name for name, check in checks.items() if not check["ok"]],
                "checks": checks,
            },
            status=200 if good else 503,
        )

    return {"/health": Endpoint({"GET": health}), "/ready": Endpoint({"GET": ready})}
