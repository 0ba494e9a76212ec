"""The bus as its users see it: publish with an acknowledgement, consume with a verdict.

A handler gives its verdict like this: it returns (acknowledged), raises `Later` (deliver again after a while),
raises `Dead` (no retry can help: to the dead letters), or raises anything else (back off and try again, and
after the last try to the dead letters).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from lib_one.event import Event, Message

DEAD_LETTERS_KEPT = timedelta(days=30)
"""How long a message that a consumer gave up waits for an operator, who may give it to that consumer once more."""


class Stored(NamedTuple):
    """The bus has a message: in which stream, and at which place of it."""

    stream: str
    sequence: int
    copy: bool = False
    """The bus had it before, under the same id; the place is that of the first one."""


class After(NamedTuple):
    """Where a stream must stand for a message to be stored. What is `None` does not matter."""

    last: int | None = None
    """Sequence of the last message of the stream. A stream that was wiped, made anew or set back has another one."""
    same_subject: int | None = None
    """Sequence of the newest message on the same subject. A stream that was purged has none, but keeps counting."""


@dataclass(frozen=True)
class StreamState:
    """One stream that this service fills, as it stood when the bus looked."""

    name: str
    created: str
    """When it was made: tells it from an earlier one of that name."""
    last: int
    """Sequence of the last message that was ever stored in it."""
    prefixes: tuple[str, ...]
    """Subjects that begin like this are stored in it."""


@dataclass(frozen=True)
class Subscription:
    """A durable reader of one stream. It is made in advance, from the topology's table."""

    stream: str
    durable: str
    """`<service>__<purpose>`: NATS remembers the position under this name."""
    subjects: tuple[str, ...]
    lanes: int = 1
    """How many deliveries may be handled at the same time, so that a database can commit many at once. Those of one
    aggregate (`ce-subject`) stay in one lane, one after the other and in order."""


@dataclass(frozen=True)
class Delivery:
    """One delivery of one event. The same event may come again: the inbox makes the second one harmless."""

    event: Event
    stream_sequence: int
    attempt: int
    """1 for the first delivery."""


class Later(Exception):  # noqa: N818 - a verdict, not a fault
    """Deliver this again after `delay`."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"again in {delay.total_seconds()} s")
        self.delay = delay


class Dead(Exception):  # noqa: N818 - a verdict, not a fault
    """No retry can help: put this with the dead letters, under `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


type Handler = Callable[[Delivery], Awaitable[None]]


class Bus(Protocol):
    """What a relay and a worker need of a bus."""

    async def publish(
        self, messages: Sequence[Message], *, after: After | None = None
    ) -> Sequence[Stored | BaseException]:
        """Publish in order and wait for the acknowledgements, many in flight.

        Returns one entry a message: where it is stored, or what went wrong. A `BusUnavailableError` there means
        *unknown*: send again with the same id. With `after`, the server stores the first message only if the stream
        stands there at that moment, and the entry is a `StreamChangedError` if it does not.
        """
        ...

    async def streams(self) -> Sequence[StreamState]:
        """The streams that this service fills, as they stood when the connection was made or a few seconds ago.

        It is the same object until the bus has looked again, which it does before it uses a new connection.

        Raises:
            BusUnavailableError: the bus is away.
        """
        ...

    async def consume(self, subscription: Subscription, handler: Handler) -> None:
        """Deliver to `handler` until cancelled: one after the other, or so in each lane. Outlives every outage."""
        ...
