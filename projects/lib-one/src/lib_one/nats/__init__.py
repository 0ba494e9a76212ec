"""The bus: NATS with JetStream. The nats library is imported in this package alone.

`NatsConnection` connects for ever, `JetStreamBus` publishes and consumes, `Follower` keeps a stream's content in
memory, `Presence` tells who runs, `TOPOLOGY` is the table of streams, `EmbeddedServer` is the nats-server itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib_one.nats.connection import NatsConnection
    from lib_one.nats.embedded import EmbeddedServer
    from lib_one.nats.follower import Follower
    from lib_one.nats.jetstream import JetStreamBus
    from lib_one.nats.presence import Presence, ServiceInfo, discover
    from lib_one.nats.topology import APP_PROJECTOR, TOPOLOGY

__all__ = [
    "APP_PROJECTOR",
    "TOPOLOGY",
    "EmbeddedServer",
    "Follower",
    "JetStreamBus",
    "NatsConnection",
    "Presence",
    "ServiceInfo",
    "discover",
]

_HOME = {
    "APP_PROJECTOR": "topology",
    "TOPOLOGY": "topology",
    "EmbeddedServer": "embedded",
    "Follower": "follower",
    "JetStreamBus": "jetstream",
    "NatsConnection": "connection",
    "Presence": "presence",
    "ServiceInfo": "presence",
    "discover": "presence",
}


def __getattr__(name: str) -> object:
    """Import on first use: whoever only runs the server does not load the client."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
