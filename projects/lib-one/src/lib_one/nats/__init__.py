"""The bus: NATS with JetStream. The nats library is imported in this package alone.

`NatsConnection` connects for ever, `JetStreamBus` publishes and consumes, `DeadLetters` keeps what a consumer gave up,
`replay` sets a consumer back, `Follower` keeps a stream's content in memory, `Presence` tells who runs, `Propagation`
how far a fact has come, `TOPOLOGY` is the table of streams, `Stream` a row, `EmbeddedServer` is the nats-server itself.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lib_one.nats.connection import NatsConnection
    from lib_one.nats.dead_letters import DeadLetter, DeadLetters, DeadMessage, LetterPage
    from lib_one.nats.embedded import EmbeddedServer
    from lib_one.nats.follower import Follower
    from lib_one.nats.jetstream import JetStreamBus
    from lib_one.nats.presence import Presence, ServiceInfo, ServiceStanding, discover, standings
    from lib_one.nats.propagation import Applied, Propagation, Reach
    from lib_one.nats.replaying import replay
    from lib_one.nats.standing import Check, bus_checks
    from lib_one.nats.topology import APP_PROJECTOR, TOPOLOGY, Stream, migrate

__all__ = [
    "APP_PROJECTOR",
    "TOPOLOGY",
    "Applied",
    "Check",
    "DeadLetter",
    "DeadLetters",
    "DeadMessage",
    "EmbeddedServer",
    "Follower",
    "JetStreamBus",
    "LetterPage",
    "NatsConnection",
    "Presence",
    "Propagation",
    "Reach",
    "ServiceInfo",
    "ServiceStanding",
    "Stream",
    "bus_checks",
    "discover",
    "migrate",
    "replay",
    "standings",
]

_HOME = {
    "APP_PROJECTOR": "topology",
    "TOPOLOGY": "topology",
    "Applied": "propagation",
    "Check": "standing",
    "DeadLetter": "dead_letters",
    "DeadLetters": "dead_letters",
    "DeadMessage": "dead_letters",
    "EmbeddedServer": "embedded",
    "Follower": "follower",
    "JetStreamBus": "jetstream",
    "LetterPage": "dead_letters",
    "NatsConnection": "connection",
    "Presence": "presence",
    "Propagation": "propagation",
    "Reach": "propagation",
    "ServiceInfo": "presence",
    "ServiceStanding": "presence",
    "Stream": "topology",
    "bus_checks": "standing",
    "standings": "presence",
    "discover": "presence",
    "migrate": "topology",
    "replay": "replaying",
}


def __getattr__(name: str) -> object:
    """Import on first use: whoever only runs the server does not load the client."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
