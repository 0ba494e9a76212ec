"""/metrics: what auth-svc counts and measures, for Prometheus."""

from auth_svc.db import Ledger
from auth_svc.users import Passwords
from auth_svc.wire import NO_STORE, Endpoint, Request, Response
from lib_one.nats import JetStreamBus
from lib_one.nats.figures import add_bus
from lib_one.observe import CONTENT_TYPE, Metrics, Traffic, gauge
from lib_one.sql import Relay
from lib_one.sql.figures import add_database, add_outbox
from lib_one.webhooks import WebhookRoom, add_webhooks

CHECKS = gauge("password_checks_under_way", "Passwords that are checked or wait for it.")
CHECKS_LIMIT = gauge("password_checks_limit", "How many may be at a time: one more is answered 503.")


def metrics(
    ledger: Ledger,
    relay: Relay,
    traffic: Traffic,
    passwords: Passwords,
    webhooks: WebhookRoom,
    bus: JetStreamBus | None,
) -> Metrics:
    """What this process tells; `bus` is NATS, where it has that."""
    found = Metrics()
    traffic.add_to(found)
    add_outbox(found, relay, now=ledger.now)
    add_database(found, ledger.database)
    add_webhooks(found, ledger.database, webhooks.worker)
    if bus is not None:
        add_bus(found, bus)
    found.add(CHECKS, lambda: passwords.under_way)
    found.add(CHECKS_LIMIT, lambda: passwords.limit)
    return found


def endpoint(found: Metrics) -> Endpoint:
    """Return what answers at `/metrics`."""

    async def scrape(_request: Request) -> Response:
        return Response(200, [(b"content-type", CONTENT_TYPE.encode()), *NO_STORE], await found.text())

    return Endpoint({"GET": scrape})
