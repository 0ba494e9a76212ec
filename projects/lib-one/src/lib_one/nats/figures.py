"""The numbers of the bus, for Prometheus."""

from collections.abc import Mapping
from contextlib import suppress

from lib_one.errors import BusUnavailableError
from lib_one.nats.jetstream import JetStreamBus
from lib_one.nats.topology import SUBSCRIPTIONS, owned_by
from lib_one.observe import Metrics, counter, gauge

CONNECTED = gauge("bus_connected", "1 while the connection to NATS stands, else 0.")
CONNECTIONS = counter("bus_connections_total", "How often it has been made.")
DROPPED = counter("bus_dropped_messages_total", "Messages that were dropped because a reader here was too slow.")
BACKLOG = gauge(
    "consumer_backlog_messages",
    "Messages of this service's streams that a durable consumer has still to acknowledge, wherever its reader runs.",
    ("consumer",),
)


def add_bus(metrics: Metrics, bus: JetStreamBus) -> None:
    """Have the numbers of the connection, and of the consumers of the streams that this service owns."""
    connection = bus.connection
    owned = {stream.name for stream in owned_by(connection.name)}
    consumers = [consumer for consumer in SUBSCRIPTIONS if consumer.stream in owned]

    async def backlog() -> Mapping[tuple[str, ...], float] | None:
        if not connection.connected:
            return None
        found: dict[tuple[str, ...], float] = {}
        for consumer in consumers:
            with suppress(BusUnavailableError):  # it is not made yet
                found[consumer.durable,] = await bus.backlog(consumer)
        return found

    metrics.add(CONNECTED, lambda: float(connection.connected))
    metrics.add(CONNECTIONS, lambda: connection.sessions)
    metrics.add(DROPPED, lambda: connection.slow_consumers)
    metrics.add(BACKLOG, backlog)
