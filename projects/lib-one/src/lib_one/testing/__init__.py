"""Help for tests: a real nats-server, a bus that only records, a clock to turn, a web that answers as told, a
receiver that listens, a network that breaks, and a way to wait without sleeping.

Databases are in `lib_one.testing.databases`: who needs none does not load them.
"""

from lib_one.testing.bus import RecordingBus, are_stored
from lib_one.testing.clock import Clock, eventually
from lib_one.testing.listener import Listener, listening
from lib_one.testing.network import Partition, partition
from lib_one.testing.server import NatsServer, free_port, nats_server
from lib_one.testing.tasks import in_background
from lib_one.testing.web import FakeWeb

__all__ = [
    "Clock",
    "FakeWeb",
    "Listener",
    "NatsServer",
    "Partition",
    "RecordingBus",
    "are_stored",
    "eventually",
    "free_port",
    "in_background",
    "listening",
    "nats_server",
    "partition",
]
