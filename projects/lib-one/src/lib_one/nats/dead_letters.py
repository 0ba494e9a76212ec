"""Dead letters: what a consumer has given up, to be looked at, delivered to it once more, or dropped.

When a message is given up, the server says so in an advisory: which consumer, which message of which stream, why. The
stream DEAD keeps the advisories. A letter is one of them together with the message, which lies in its own stream still,
unless it has had its time there.

To replay a letter is to publish the message again on the subject that its consumer alone reads. It gets the same tries
and the same inbox there: what it has done already it does not do twice, and if it fails again there is a new letter.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.msg import Msg

from lib_one.bus import Stored
from lib_one.errors import BusUnavailableError, LetterNotFoundError, ReplayRefusedError
from lib_one.event import Message
from lib_one.nats import topology
from lib_one.nats.jetstream import JetStreamBus
from lib_one.nats.session import ApiError, Session
from lib_one.nats.tail import Tail

STREAM = topology.DEAD.name
PAGE_LIMIT = 100
"""Letters that are told at a time: each is joined with its message, which is one question to the server."""
WINDOW = 500
"""Places of the stream that are read at a time."""
NO_REASON = "the reader did not answer: it was killed, or hung, each time"
"""What is said of a message that the server itself gave up (`MAX_DELIVER`)."""
REPLAY_OF = "Replay-Of"
"""Header of a copy: the subject of the message that it copies."""
SEQUENCE_NOT_FOUND = 10043
"""The API's `err_code` for a message that is deleted already."""


class DeadMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The message of a letter. What is not there, or cannot be read, is `None`."""

    subject: str
    stored_at: datetime
    event_id: str | None
    type: str | None
    source: str | None
    time: str | None
    aggregate: str | None
    """What it is about: `ce-subject`."""
    data: Any
    """Decoded JSON; the text itself where it is none."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message that one consumer has given up."""

    id: int
    """Its place in the stream of dead letters; greater is later."""
    given_up_at: datetime
    consumer: str
    stream: str
    sequence: int
    deliveries: int
    reason: str
    message: DeadMessage | None
    """`None`: its stream does not have it any more."""


class LetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list, newest first."""

    letters: list[DeadLetter]
    before: int | None
    """Where to go on; `None` at the end."""


class DeadLetters:
    """The dead letters of one service's own consumers.

    Every method raises `BusUnavailableError` when the bus is away.
    """

    def __init__(self, bus: JetStreamBus, *, service: str) -> None:
        self._bus = bus
        self._prefix = f"{service.replace('-', '_')}__"

    async def page(self, *, consumer: str | None = None, before: int | None = None, limit: int = 50) -> LetterPage:
        """Letters with a smaller number than `before`, newest first; of one consumer, or of all."""
        limit = min(limit, PAGE_LIMIT)
        session = await self._bus.ready()
        found: list[tuple[int, _Advisory]] = []
        async for number, advisory in self._backwards(session, before):
            if consumer in (None, advisory.consumer):
                found.append((number, advisory))
                if len(found) > limit:
                    break
        shown = found[:limit]
        letters = await asyncio.gather(*(_joined(session, number, advisory) for number, advisory in shown))
        return LetterPage(
            letters=[letter for letter, _ in letters], before=shown[-1][0] if len(found) > limit else None
        )

    async def find(self, number: int) -> DeadLetter:
        """One letter.

        Raises:
            LetterNotFoundError: this service has none with that number.
        """
        session = await self._bus.ready()
        letter, _ = await _joined(session, number, await self._advisory(session, number))
        return letter

    async def replay(self, number: int) -> DeadLetter:
        """Give the message to its consumer alone once more, and take the letter away.

        Raises:
            LetterNotFoundError: this service has none with that number.
            ReplayRefusedError: the message or the consumer is no more; the letter stays.
        """
        session = await self._bus.ready()
        advisory = await self._advisory(session, number)
        letter, original = await _joined(session, number, advisory)
        if original is None:
            raise ReplayRefusedError(f"{letter.stream} does not have its message {letter.sequence} any more")
        if not any(reader.durable == letter.consumer for reader in topology.readers_of(letter.stream)):
            raise ReplayRefusedError(f"there is no consumer {letter.consumer} any more")
        headers = {name: value for name, value in _headers(original).items() if not name.startswith("Nats-")}
        copy = Message(
            topology.replay_subject(letter.consumer),
            {"Nats-Msg-Id": f"replay-{advisory.id}", REPLAY_OF: _subject(original)} | headers,
            original.data,
        )
        (result,) = await self._bus.publish([copy])
        if not isinstance(result, Stored):
            raise result
        await _delete(session, number)
        return letter

    async def drop(self, number: int) -> None:
        """Take the letter away; the message stays in its stream, and is not delivered again.

        Raises:
            LetterNotFoundError: this service has none with that number.
        """
        session = await self._bus.ready()
        await self._advisory(session, number)
        await _delete(session, number)

    async def _backwards(self, session: Session, before: int | None) -> AsyncIterator[tuple[int, "_Advisory"]]:
        held = (await session.api(_Held, f"STREAM.INFO.{STREAM}")).state
        high = held.last_seq if before is None else min(held.last_seq, before - 1)
        async with Tail(session, STREAM, lambda *_: None) as tail:
            while high >= max(1, held.first_seq):
                low = max(held.first_seq, high - WINDOW + 1)
                for entry in reversed(await self._window(tail, low, high)):
                    yield entry
                high = low - 1

    async def _window(self, tail: Tail, low: int, high: int) -> list[tuple[int, "_Advisory"]]:
        found: list[tuple[int, _Advisory]] = []

        def take(message: Msg, number: int) -> None:
            advisory = _decode(message.data)
            if number <= high and advisory.consumer.startswith(self._prefix):
                found.append((number, advisory))

        await tail.read(low, take, most=WINDOW)
        return found

    async def _advisory(self, session: Session, number: int) -> "_Advisory":
        message = await _get(session, STREAM, number)
        if message is not None:
            advisory = _decode(message.data)
            if advisory.consumer.startswith(self._prefix):
                return advisory
        raise LetterNotFoundError(number)


class _Advisory(msgspec.Struct):
    """What the server says of a message that was given up."""

    id: str
    timestamp: datetime
    stream: str
    consumer: str
    stream_seq: int
    deliveries: int
    reason: str = NO_REASON


class _Extent(msgspec.Struct):
    first_seq: int
    last_seq: int


class _Held(msgspec.Struct):
    state: _Extent


_decode = msgspec.json.Decoder(_Advisory).decode


async def _joined(session: Session, number: int, advisory: _Advisory) -> tuple[DeadLetter, Msg | None]:
    """The letter, and its message where the stream has it still."""
    original = await _get(session, advisory.stream, advisory.stream_seq)
    # One that was stored later is another message: the stream was made anew since.
    if original is not None and _stored_at(original) > advisory.timestamp:
        original = None
    letter = DeadLetter(
        id=number,
        given_up_at=advisory.timestamp,
        consumer=advisory.consumer,
        stream=advisory.stream,
        sequence=advisory.stream_seq,
        deliveries=advisory.deliveries,
        reason=advisory.reason,
        message=None if original is None else _message(original),
    )
    return letter, original


async def _get(session: Session, stream: str, sequence: int) -> Msg | None:
    message = await session.request(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode({"seq": sequence}))
    status = _headers(message).get("Status")
    if status is None:
        return message
    if status == "404":
        return None
    raise BusUnavailableError(f"{stream} {sequence}: status {status}")


async def _delete(session: Session, number: int) -> None:
    try:
        await session.api(msgspec.Raw, f"STREAM.MSG.DELETE.{STREAM}", {"seq": number, "no_erase": True})
    except ApiError as error:
        if error.code != SEQUENCE_NOT_FOUND:
            raise


def _message(original: Msg) -> DeadMessage:
    headers = _headers(original)
    try:
        data = msgspec.json.decode(original.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        data = original.data.decode(errors="replace")
    return DeadMessage(
        subject=_subject(original),
        stored_at=_stored_at(original),
        event_id=headers.get("ce-id"),
        type=headers.get("ce-type"),
        source=headers.get("ce-source"),
        time=headers.get("ce-time"),
        aggregate=headers.get("ce-subject"),
        data=data,
    )


def _subject(original: Msg) -> str:
    headers = _headers(original)
    return headers.get(REPLAY_OF) or headers["Nats-Subject"]


def _stored_at(original: Msg) -> datetime:
    return datetime.fromisoformat(_headers(original)["Nats-Time-Stamp"])


def _headers(message: Msg) -> Mapping[str, str]:
    return message.headers or {}
