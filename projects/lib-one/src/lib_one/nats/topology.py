"""The streams and the durable consumers, in one table, and the code that makes the server agree with it.

Each stream has an owner: the service that publishes to it, makes it, and brings its configuration up to date on every
new connection. Whoever comes first makes it; who comes at the same moment, or later, finds it as it should be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from lib_one.bus import DEAD_LETTERS_KEPT, StreamState, Subscription
from lib_one.errors import BusUnavailableError
from lib_one.nats.connection import NatsConnection
from lib_one.nats.migration import Comparison, Difference, compare_consumer, compare_stream
from lib_one.nats.session import ApiError, Session
from lib_one.observe import get_logger

log = get_logger(__name__)

EXISTS_DIFFERENTLY = 10058
"""The API's `err_code` for a stream that exists with another configuration."""

PATIENCE = 5.0
"""Seconds that an operator's command waits for the connection."""

MAX_DELIVER = 25
"""After so many deliveries the server itself gives a message up.

It counts deliveries, not attempts: what had been fetched when a process was killed counts as well, although no handler
saw it. So this is the net for messages that kill their reader; `lib_one.nats.jetstream.BACKOFF` is the rule.
"""
ACK_WAIT = timedelta(seconds=5)
"""When the reader is silent for so long, its messages are delivered again (a reader at work says so meanwhile)."""


@dataclass(frozen=True)
class Stream:
    """One stream: what it stores, how long, and who makes it."""

    name: str
    owners: tuple[str, ...]
    subjects: tuple[str, ...]
    max_age: timedelta
    batches: bool = False
    """Takes atomic batches: all of their messages or none, and one sync of the disk for all."""
    latest_only: bool = False
    """Keep one message a subject, the newest."""
    live: str | None = None
    """Subject under which each stored message is told at once to whoever listens, with its stream sequence."""

    def config(self, replicas: int = 1) -> dict[str, object]:
        """The stream's configuration as the JetStream API wants it, on so many nodes of a cluster."""
        config: dict[str, object] = {
            "name": self.name,
            "subjects": [*self.subjects, *(replay_subject(each.durable) for each in readers_of(self.name))],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "num_replicas": replicas,
            "max_age": _nanoseconds(self.max_age),
            "max_msgs_per_subject": 1 if self.latest_only else -1,
            "duplicate_window": _nanoseconds(timedelta(minutes=2)),
            "allow_direct": True,
            "allow_atomic": self.batches,
        }
        if self.live is not None:
            config["republish"] = {"src": self.subjects[0], "dest": self.live}
        return config


AUTH = Stream("AUTH", ("auth-svc",), ("auth.evt.>",), timedelta(days=90), batches=True)
"""What happened in auth-svc: the audit trail."""

REV = Stream("REV", ("auth-svc",), ("auth.rev.>",), timedelta(seconds=660), latest_only=True, live="live.auth.rev.>")
"""Revocations. Kept for the longest life of an access token (10 min) and a minute: then there is nothing to revoke."""

SHIPMENTS = Stream("SHIPMENTS", ("app-svc",), ("shipments.>",), timedelta(days=365), batches=True)
"""What happened to shipments, in order for each of them."""

WEBHOOKS = Stream("WEBHOOKS", ("auth-svc", "app-svc"), ("webhooks.>",), timedelta(days=90), batches=True)
"""What happened to webhooks, of either service."""

DEAD = Stream(
    "DEAD",
    ("auth-svc", "app-svc"),
    ("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>", "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>"),
    DEAD_LETTERS_KEPT,
)
"""Dead letters: the server's advisory says which stream, consumer and sequence, and the reason."""

TOPOLOGY: tuple[Stream, ...] = (AUTH, REV, SHIPMENTS, WEBHOOKS, DEAD)
"""Every stream."""

APP_PROJECTOR = Subscription("SHIPMENTS", "app_svc__timeline", ("shipments.>",), lanes=32)
"""app-svc builds its timelines from this. Many lanes, so that an import of thousands of shipments is a few commits."""

SUBSCRIPTIONS: tuple[Subscription, ...] = (APP_PROJECTOR,)
"""Every durable consumer."""


def takes_batches(subjects: Sequence[str]) -> bool:
    """Whether messages on these subjects may go to their stream as a batch."""
    prefixes = (stream.subjects[0].removesuffix(">") for stream in TOPOLOGY if stream.batches)
    return any(all(subject.startswith(prefix) for subject in subjects) for prefix in prefixes)


def readers_of(stream: str) -> tuple[Subscription, ...]:
    """The durable consumers of a stream."""
    return tuple(subscription for subscription in SUBSCRIPTIONS if subscription.stream == stream)


def replay_subject(durable: str) -> str:
    """Where a message of the stream is published once more for this consumer, which is the only one to read there."""
    return f"replay.{durable}"


def owned_by(service: str) -> tuple[Stream, ...]:
    """The streams that `service` makes. A name that owns none (a tool, a test) stands in for all owners."""
    return tuple(stream for stream in TOPOLOGY if service in stream.owners) or TOPOLOGY


async def ensure(session: Session, streams: Sequence[Stream], *, replicas: int = 1) -> None:
    """Make these streams and the consumers that the table has for them, or bring them up to date.

    `replicas` is on how many nodes a new stream is; one that is there stays on as many as it is on (`topology apply`
    changes that). What would lose stored messages, or what the server refuses, is logged and left as it is.

    Raises:
        BusUnavailableError: the bus went away meanwhile.
    """
    for stream in streams:
        await _ensure_stream(session, stream, replicas)
    names = {stream.name for stream in streams}
    for subscription in SUBSCRIPTIONS:
        if subscription.stream in names:
            await ensure_consumer(session, subscription)


async def _ensure_stream(session: Session, stream: Stream, replicas: int) -> None:
    try:
        await session.api(msgspec.Raw, f"STREAM.CREATE.{stream.name}", stream.config(replicas))
    except ApiError as error:
        if error.code != EXISTS_DIFFERENTLY:
            raise
        try:
            differences = await compare_stream(session, stream.config(replicas), keep_replicas=True, apply=True)
        except ApiError as refusal:
            log.error("the stream differs from the table and cannot be changed", reason=str(refusal))
            return
        for difference in differences:
            if difference.obstacle:
                log.error("the stream differs from the table and is left as it is", reason=str(difference))
            else:
                log.info("stream brought up to date", change=str(difference))


async def migrate(connection: NatsConnection, *, replicas: int, apply: bool) -> Comparison:
    """Compare the server with what the service of `connection` owns, and with `apply` make what can be made.

    Args:
        connection: Not started yet; it is closed in the end.
        replicas: On how many nodes each stream is to be.
        apply: Change the server; else only look.

    Raises:
        ApiError: the server refused a change.
        BusUnavailableError: the bus is away.
    """
    await connection.start()
    try:
        if not await connection.wait_connected(PATIENCE):
            raise BusUnavailableError(f"NATS does not answer at {connection.url}")
        session = await connection.session()
        differences: list[Difference] = []
        streams = owned_by(connection.name)
        for stream in streams:
            config = stream.config(replicas)
            differences += await compare_stream(session, config, keep_replicas=False, apply=apply)
        names = {stream.name for stream in streams}
        for subscription in SUBSCRIPTIONS:
            if subscription.stream in names:
                config = consumer_config(subscription)
                differences += await compare_consumer(session, subscription.stream, config, apply=apply)
        return Comparison(tuple(differences), applied=apply)
    finally:
        await connection.close()


async def look(session: Session, streams: Sequence[Stream]) -> list[StreamState]:
    """How these streams stand.

    Raises:
        BusUnavailableError: one of them is not there, or the bus went away.
    """
    states = []
    for stream in streams:
        found = await session.api(StreamInfo, f"STREAM.INFO.{stream.name}")
        prefixes = tuple(subject.removesuffix(">") for subject in stream.subjects)
        states.append(StreamState(stream.name, found.created, found.state.last_seq, prefixes))
    return states


async def ensure_consumer(session: Session, subscription: Subscription) -> str:
    """Make one durable consumer, or bring it up to date. Returns when it was made: which one of that name it is.

    Raises:
        BusUnavailableError: the stream is not there yet, or the bus went away.
    """
    subject = f"CONSUMER.CREATE.{subscription.stream}.{subscription.durable}"
    made = await session.api(
        _Made, subject, {"stream_name": subscription.stream, "config": consumer_config(subscription)}
    )
    return made.created


def consumer_config(subscription: Subscription) -> dict[str, object]:
    """A durable consumer's configuration as the JetStream API wants it."""
    subjects = subscription.subjects
    if subscription in readers_of(subscription.stream):  # else the stream takes no message for it alone
        subjects = (*subjects, replay_subject(subscription.durable))
    return {
        "durable_name": subscription.durable,
        "name": subscription.durable,
        "ack_policy": "explicit",
        "ack_wait": _nanoseconds(ACK_WAIT),
        "max_deliver": MAX_DELIVER,
        "max_ack_pending": 4096,
        "deliver_policy": "all",
        "filter_subjects": list(subjects),
    }


class Extent(msgspec.Struct):
    """What a stream holds: how many messages, and the sequence of the last one that was ever stored."""

    messages: int
    last_seq: int


class StreamInfo(msgspec.Struct):
    """Which stream it is (`created` tells it from an earlier one of that name), and what it holds."""

    created: str
    state: Extent


class _Made(msgspec.Struct):
    created: str


def _nanoseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1_000_000_000)
