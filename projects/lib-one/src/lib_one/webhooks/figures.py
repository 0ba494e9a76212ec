"""The numbers of webhooks, for Prometheus."""

from collections.abc import Mapping

from lib_one.observe import Metrics, counter, gauge
from lib_one.sql import Database
from lib_one.webhooks import store
from lib_one.webhooks.worker import WebhookWorker

WAITING = gauge("webhook_waiting_deliveries", "Events that wait for an endpoint, those that failed for now included.")
ENDPOINTS = gauge("webhook_endpoints", "Endpoints by their state: `enabled`, `disabled`.", ("state",))
ATTEMPTS = counter(
    "webhook_attempts_total",
    "Attempts of this process: `delivered`, `postponed` (they are tried again), `failed` (they are not).",
    ("outcome",),
)


def add_webhooks(metrics: Metrics, database: Database, worker: WebhookWorker) -> None:
    """Have the numbers of webhooks."""

    async def waiting() -> float:
        return sum((await database.read(store.waiting)).values())

    async def endpoints() -> Mapping[tuple[str, ...], float]:
        states = [each.state for each in await database.read(store.everything)]
        return {(state,): states.count(state) for state in ("enabled", "disabled")}

    metrics.add(WAITING, waiting)
    metrics.add(ENDPOINTS, endpoints)
    metrics.add(ATTEMPTS, lambda: {(outcome,): count for outcome, count in worker.counts.items()})
