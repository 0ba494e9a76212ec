"""The bus over NATS JetStream: `publish` with acknowledgements, `consume` with verdicts."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from lib_one.bus import After, Bus, Handler, Stored, StreamState, Subscription
from lib_one.errors import BusUnavailableError
from lib_one.event import Message
from lib_one.nats import topology
from lib_one.nats.connection import NatsConnection
from lib_one.nats.consuming import Reader
from lib_one.nats.publishing import Publisher
from lib_one.nats.session import Session
from lib_one.observe import get_logger

PUBLISH_TIMEOUT = 5.0
"""Seconds without an acknowledgement after which a message's fate is unknown."""
CONNECT_PATIENCE = 1.0
"""Seconds that a publish waits for a connection that is not there."""
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 300))
"""Pauses after the first, second, ... failed attempt of a handler. After the last one it is tried once more."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds between attempts to make the topology."""
LOOK_EVERY = 5.0
"""Seconds after which the streams are looked at again when somebody asks how they stand."""

log = get_logger(__name__)


class JetStreamBus(Bus):
    """The bus of one service. Its streams and consumers are made, and kept up to date, on every new connection.

    Args:
        connection: The process's connection.
        streams: What this service makes; without them, the rows of the table that the connection's name owns.
        replicas: On how many nodes of a cluster it makes them.
        backoff: Pauses between the attempts of a failing handler; after the last one, the dead letters.
        publish_timeout: Seconds to wait for acknowledgements.
    """

    def __init__(
        self,
        connection: NatsConnection,
        *,
        streams: Sequence[topology.Stream] = (),
        replicas: int = 1,
        backoff: Sequence[timedelta] = BACKOFF,
        publish_timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        self.connection = connection
        self._streams = tuple(streams) or topology.owned_by(connection.name)
        self._replicas = replicas
        self._backoff = tuple(backoff)
        self._publish_timeout = publish_timeout
        self._making = asyncio.Lock()
        self._publisher: Publisher | None = None

    async def publish(
        self, messages: Sequence[Message], *, after: After | None = None
    ) -> Sequence[Stored | BaseException]:
        """Publish in order, many in flight, and wait for the acknowledgements: see `Bus.publish`.

        An entry is a `BusUnavailableError` if the message may or may not be stored (send it again with the same id),
        a `BusRefusedError` if it is not and never will be, or a `StreamChangedError` if it would not come `after`.
        """
        if not messages:
            return []
        try:
            publisher = await self._patiently_ready()
        except BusUnavailableError as away:
            return [away] * len(messages)
        if after is not None:
            messages = [_conditional(messages[0], after), *messages[1:]]
        outcome = await publisher.publish(messages, timeout=self._publish_timeout)
        if publisher.homeless:
            self._publisher = None  # a stream is gone: make the topology again before the next message
        return outcome

    async def streams(self) -> Sequence[StreamState]:
        """How the streams of this service stand: see `Bus.streams`."""
        publisher = await self._patiently_ready()
        if asyncio.get_running_loop().time() - publisher.looked_at > LOOK_EVERY:
            try:
                await self._look(publisher)
            except BusUnavailableError:
                self._publisher = None  # a stream may be gone: make the topology again
                raise
        return publisher.streams

    async def consume(self, subscription: Subscription, handler: Handler) -> None:
        """Deliver to `handler` until cancelled: see `Bus.consume`."""
        reader = Reader(subscription, handler, self._backoff)
        await reader.run(self._session)

    async def backlog(self, subscription: Subscription) -> int:
        """How many messages its reader, wherever that runs, has still to acknowledge.

        Raises:
            BusUnavailableError: the bus is away, or the reader's place is not made yet.
        """
        publisher = await self._patiently_ready()
        info = await publisher.session.api(_Reading, f"CONSUMER.INFO.{subscription.stream}.{subscription.durable}")
        return info.num_pending + info.num_ack_pending

    async def ready(self) -> Session:
        """The session that lives, with its streams made.

        Raises:
            BusUnavailableError: the bus is away.
        """
        return (await self._patiently_ready()).session

    async def _session(self) -> Session:
        return (await self._ready()).session

    async def _look(self, publisher: Publisher) -> None:
        publisher.streams = await topology.look(publisher.session, self._streams)
        publisher.looked_at = asyncio.get_running_loop().time()

    async def _patiently_ready(self) -> Publisher:
        publisher = self._publisher
        if publisher is not None and not publisher.session.ended.is_set():
            return publisher
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                return await self._ready()
        except TimeoutError:
            raise BusUnavailableError("NATS is away") from None

    async def _ready(self) -> Publisher:
        """The publisher of the session that lives. The topology stands."""
        pause, told = FIRST_PAUSE, ""
        while True:
            session = await self.connection.session()
            async with self._making:
                if self._publisher is not None and self._publisher.session is session:
                    return self._publisher
                try:
                    await topology.ensure(session, self._streams, replicas=self._replicas)
                    publisher = Publisher(session)
                    await self._look(publisher)
                    await publisher.start()
                    self._publisher = publisher
                    return publisher
                except BusUnavailableError as error:
                    if str(error) != told:  # once, and not with every attempt
                        log.warning("the streams are not ready", reason=str(error))
                        told = str(error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class _Reading(msgspec.Struct):
    num_pending: int
    num_ack_pending: int


def _conditional(message: Message, after: After) -> Message:
    headers = dict(message.headers)
    if after.last is not None:
        headers["Nats-Expected-Last-Sequence"] = str(after.last)
    if after.same_subject is not None:
        headers["Nats-Expected-Last-Subject-Sequence"] = str(after.same_subject)
    return Message(message.subject, headers, message.body)
