"""/health (does the process answer?) and /ready (can it do its work?)."""

from collections.abc import Callable
from importlib.metadata import version

from auth_svc import keys
from auth_svc.db import Ledger
from auth_svc.wire import Endpoint, Request, Response, json_response
from lib_one.sql import DatabaseError, Relay


def endpoints(ledger: Ledger, relay: Relay, bus_connected: Callable[[], bool]) -> dict[str, Endpoint]:
    """Return the two paths. The bus is reported, not required: without it, events wait in the outbox."""

    async def health(_request: Request) -> Response:
        return json_response({"status": "ok"})

    async def ready(_request: Request) -> Response:
        checks: dict[str, dict[str, object]] = {"bus": {"ok": bus_connected()}}
        try:
            pending = await relay.pending()
            signing = await ledger.database.read(keys.count)
            checks["database"] = {"ok": True}
            checks["outbox"] = {"ok": True, "pending": pending}
            checks["keys"] = {"ok": signing > 0, "count": signing}
        except DatabaseError as error:
            checks["database"] = {"ok": False, "error": type(error).__name__}
        good = checks["database"]["ok"] is True and checks["keys"]["ok"] is True
        return json_response(
            {
                "service": "auth-svc",
                "version": version("auth-svc"),
                "status": "ready" if good else "not_ready",
                "checks": checks,
            },
            status=200 if good else 503,
        )

    return {"/health": Endpoint({"GET": health}), "/ready": Endpoint({"GET": ready})}
