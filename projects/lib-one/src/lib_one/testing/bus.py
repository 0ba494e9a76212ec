"""A bus without a server."""

import asyncio
from collections.abc import Sequence

from lib_one.bus import After, Bus, Delivery, Handler, Later, Stored, StreamState, Subscription
from lib_one.errors import BusUnavailableError, StreamChangedError
from lib_one.event import Event, Message, decode, new_id
from lib_one.nats.topology import TOPOLOGY


class RecordingBus(Bus):
    """Remembers what is published, and gives it to whoever consumes. Nothing is delivered twice or late.

    Set `away` to play an outage: then every publish fails with `BusUnavailableError`. `wipe` plays the loss of a disk.
    """

    def __init__(self) -> None:
        self.published: list[Message] = []
        """Every message that was taken, in order; also those that were wiped since."""
        self.away = False
        self._stored: dict[str, list[Message]] = {}
        self._states: list[StreamState] = []
        self._created = ""
        self._more = asyncio.Event()
        self.wipe()

    @property
    def events(self) -> list[Event]:
        """What was published, decoded; each event once, though a relay in doubt publishes revocations again."""
        once = {message.headers["ce-id"]: message for message in self.published}
        return [decode(message.headers, message.body) for message in once.values()]

    def stored(self, stream: str) -> list[Event]:
        """What a stream holds, decoded."""
        return [decode(message.headers, message.body) for message in self._stored[stream]]

    def wipe(self) -> None:
        """Lose every stream, and make them anew."""
        self._stored = {stream.name: [] for stream in TOPOLOGY}
        self._created = new_id()
        self.look()

    def set_back(self, stream: str, *, to: int) -> None:
        """Put a stream back to an earlier state, as an old copy of a disk would: it ends with sequence `to`."""
        del self._stored[stream][to:]
        self.look()

    def look(self) -> None:
        """Note how the streams stand, as a bus does now and then."""
        self._states = [
            StreamState(
                stream.name,
                self._created,
                len(self._stored[stream.name]),
                tuple(subject.removesuffix(">") for subject in stream.subjects),
            )
            for stream in TOPOLOGY
        ]

    async def publish(
        self, messages: Sequence[Message], *, after: After | None = None
    ) -> Sequence[Stored | BaseException]:
        """Remember the messages; an id that was seen before counts as stored and is not kept again."""
        if self.away:
            return [BusUnavailableError("the test has taken the bus away") for _ in messages]
        outcome: list[Stored | BaseException] = []
        for message in messages:
            outcome.append(self._store(message, after))
            after = None
        self._more.set()
        return outcome

    async def streams(self) -> Sequence[StreamState]:
        """Every stream; the same object until the next `look`."""
        if self.away:
            raise BusUnavailableError("the test has taken the bus away")
        return self._states

    def _store(self, message: Message, after: After | None) -> Stored | BaseException:
        name = next(
            (state.name for state in self._states if message.subject.startswith(state.prefixes)), self._states[0].name
        )
        stream = self._stored[name]
        for sequence, known in enumerate(stream, 1):
            if known.headers.get("Nats-Msg-Id") == message.headers.get("Nats-Msg-Id"):
                return Stored(name, sequence, copy=True)
        if after is not None:
            newest = [number for number, known in enumerate(stream, 1) if known.subject == message.subject]
            if after.last not in (None, len(stream)) or after.same_subject not in (None, (newest or [0])[-1]):
                return StreamChangedError(f"{name} ends with {len(stream)}")
        stream.append(message)
        self.published.append(message)
        return Stored(name, len(stream))

    async def consume(self, subscription: Subscription, handler: Handler) -> None:
        """Give each message that fits the subscription to `handler`, in order. What it raises is raised here."""
        position = 0
        while True:
            while position < len(self.published):
                message = self.published[position]
                position += 1
                if any(_fits(message.subject, pattern) for pattern in subscription.subjects):
                    await _deliver(handler, decode(message.headers, message.body), position)
            self._more.clear()
            await self._more.wait()


def are_stored(outcome: Sequence[Stored | BaseException]) -> bool:
    """Whether the bus took every message of a call of `publish`."""
    return all(isinstance(result, Stored) for result in outcome)


async def _deliver(handler: Handler, event: Event, sequence: int) -> None:
    attempt = 1
    while True:
        try:
            await handler(Delivery(event, sequence, attempt))
            return
        except Later:
            attempt += 1
            await asyncio.sleep(0)


def _fits(subject: str, pattern: str) -> bool:
    tokens, wanted = subject.split("."), pattern.split(".")
    for index, word in enumerate(wanted):
        if word == ">":
            return len(tokens) > index
        if index >= len(tokens) or word not in ("*", tokens[index]):
            return False
    return len(tokens) == len(wanted)
