"""Replay: set a durable consumer back, so that it reads a part of its stream again. Its inbox knows the copies."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from lib_one.bus import Subscription
from lib_one.errors import ReplayRefusedError
from lib_one.nats.jetstream import JetStreamBus


@dataclass(frozen=True)
class Replay:
    """A consumer that was set back."""

    sequence: int
    """What it reads next has this place in the stream, or a later one."""
    messages: int
    """How many it reads again, or for the first time."""


async def replay(
    bus: JetStreamBus, subscription: Subscription, *, since: datetime | None = None, sequence: int = 1
) -> Replay:
    """Let a consumer read again all that was stored since a moment, or from a place in its stream on.

    It works while the consumer is read. It never skips: what is not handled yet is read all the same.

    Raises:
        ReplayRefusedError: nothing there has been read before.
        BusUnavailableError: the bus is away, or the consumer is not made yet.
    """
    session = await bus.ready()
    stream, durable = subscription.stream, subscription.durable
    if since is not None:
        wish = msgspec.json.encode({"start_time": since})
        found = (await session.request(f"$JS.API.DIRECT.GET.{stream}", wish)).headers or {}
        if "Nats-Sequence" not in found:
            raise ReplayRefusedError(f"{stream} has nothing that was stored since {since.isoformat()}")
        sequence = int(found["Nats-Sequence"])
    stand = await session.api(_Stand, f"CONSUMER.INFO.{stream}.{durable}")
    if sequence > stand.delivered.stream_seq:
        raise ReplayRefusedError(f"{durable} has not come to {sequence} yet: it reads that by itself")
    first = min(max(1, sequence), stand.ack_floor.stream_seq + 1)
    await session.api(msgspec.Raw, f"CONSUMER.RESET.{stream}.{durable}", {"seq": first})
    return Replay(first, await bus.backlog(subscription))


class _Place(msgspec.Struct):
    stream_seq: int


class _Stand(msgspec.Struct):
    ack_floor: _Place
    delivered: _Place
