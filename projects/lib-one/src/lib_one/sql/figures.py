"""The numbers of outbox, relay and database, for Prometheus."""

from collections.abc import Mapping

from lib_one.event import Now
from lib_one.observe import Metrics, counter, gauge, histogram
from lib_one.sql.database import Database
from lib_one.sql.relay import Relay

WAITING = gauge("outbox_waiting_events", "Recorded facts that the bus has not acknowledged.")
OLDEST = gauge("outbox_oldest_seconds", "How long the first of them has waited; 0 if none waits.")
PUBLISHED = counter("outbox_published_events_total", "Facts that the bus has acknowledged to this process.")
REFUSED = counter("outbox_refused_events_total", "Facts that the bus refused for good. They are put aside.")
LAG = histogram("outbox_publish_seconds", "Seconds from the recording of a fact to the bus's acknowledgement.")
RELAY = gauge(
    "relay_state",
    "1 for the state that the relay of this process is in: `standby` (another process relays), `working`, `failing`.",
    ("state",),
)
UNDER_WAY = gauge("database_units_under_way", "Units of work that wait for the database or run in it.")


def add_outbox(metrics: Metrics, relay: Relay, *, now: Now) -> None:
    """Have the numbers of the outbox and its relay."""

    async def waiting() -> float:
        return await relay.pending()

    async def oldest() -> float:
        return (await relay.backlog()).age(now()).total_seconds()

    def state() -> Mapping[tuple[str, ...], float]:
        here = "failing" if relay.failing else "working" if relay.working else "standby"
        return {(one,): float(one == here) for one in ("standby", "working", "failing")}

    metrics.add(WAITING, waiting)
    metrics.add(OLDEST, oldest)
    metrics.add(PUBLISHED, lambda: relay.published)
    metrics.add(REFUSED, lambda: relay.refused)
    metrics.add(LAG, lambda: relay.lag)
    metrics.add(RELAY, state)


def add_database(metrics: Metrics, database: Database) -> None:
    """Have the numbers of the database."""
    metrics.add(UNDER_WAY, lambda: database.under_way)
