"""Help for tests: a real nats-server, a bus that only records, a clock to turn, a web that answers as told, a
receiver that listens, a network that breaks, the log put back, and a way to wait without sleeping.

Databases are in `lib_one.testing.databases`, the reader of `/metrics` in `lib_one.testing.metrics`: who needs none does
not load them.
"""

from lib_one.testing.bus import RecordingBus, are_stored
from lib_one.testing.clock import Clock, Sleep, eventually
from lib_one.testing.listener import Listener, listening
from lib_one.testing.logs import log_as_before
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
    "Sleep",
    "are_stored",
    "eventually",
    "free_port",
    "in_background",
    "listening",
    "log_as_before",
    "nats_server",
    "partition",
]
