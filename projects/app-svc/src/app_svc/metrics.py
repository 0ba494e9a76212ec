"""What app-svc counts and measures, for Prometheus."""

from app_svc.tracking.feed import LiveFeed
from lib_one.event import Now
from lib_one.nats import JetStreamBus
from lib_one.nats.figures import add_bus
from lib_one.observe import Metrics, Traffic, gauge
from lib_one.sql import Database, Relay
from lib_one.sql.figures import add_database, add_outbox
from lib_one.webhooks import WebhookRoom, add_webhooks
from lib_two.figures import add_guard
from lib_two.guard import Guard

STREAMS = gauge("live_streams_open", "Live feeds (server-sent events) that are open.")
STREAMS_LIMIT = gauge("live_streams_limit", "How many may be at a time: one more is answered 503.")


def metrics(
    *,
    database: Database,
    relay: Relay,
    traffic: Traffic,
    bus: JetStreamBus,
    guard: Guard,
    feed: LiveFeed,
    webhooks: WebhookRoom,
    most_streams: int,
    now: Now,
) -> Metrics:
    """What this process tells."""
    found = Metrics()
    traffic.add_to(found)
    add_outbox(found, relay, now=now)
    add_database(found, database)
    add_bus(found, bus)
    add_guard(found, guard)
    add_webhooks(found, database, webhooks.worker)
    found.add(STREAMS, lambda: feed.open)
    found.add(STREAMS_LIMIT, lambda: most_streams)
    return found
