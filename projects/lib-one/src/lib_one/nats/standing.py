"""How the bus stands for one service: its streams, what its consumers have still to do, its dead letters."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from lib_one.errors import BusUnavailableError
from lib_one.nats import topology
from lib_one.nats.connection import NatsConnection
from lib_one.nats.session import Session

type Check = Mapping[str, Any]
"""One part of a process: `ok`, and the facts behind it."""

PATIENCE = 2.0
"""Seconds that the bus has to answer."""


async def bus_checks(connection: NatsConnection) -> dict[str, Check]:
    """The checks `bus`, `streams`, `consumers` and `dead_letters`; the last three only while the bus answers."""
    checks: dict[str, Check] = {"bus": {"ok": connection.connected, "connections": connection.sessions}}
    if not connection.connected:
        return checks
    try:
        async with asyncio.timeout(PATIENCE):
            checks |= await _look(await connection.session(), connection.name)
    except (BusUnavailableError, TimeoutError) as error:
        checks["streams"] = {"ok": False, "reason": str(error) or "no answer in time"}
    return checks


async def _look(session: Session, service: str) -> dict[str, Check]:
    owned = {stream.name for stream in topology.owned_by(service)}
    streams = {name: _stream(await session.api(_Stream, f"STREAM.INFO.{name}")) for name in sorted(owned)}
    consumers = {}
    for subscription in topology.SUBSCRIPTIONS:
        if subscription.stream in owned:
            subject = f"CONSUMER.INFO.{subscription.stream}.{subscription.durable}"
            reading = await session.api(_Consumer, subject)
            consumers[subscription.durable] = reading.num_pending + reading.num_ack_pending
    dead = await session.api(_Stream, f"STREAM.INFO.{topology.DEAD.name}", {"subjects_filter": ">"})
    # The advisory's subject ends with the stream and the consumer that it is about.
    counts = [count for subject, count in (dead.state.subjects or {}).items() if subject.split(".")[-2] in owned]
    return {
        "streams": {
            "ok": all(not stream["offline"] for stream in streams.values()),
            "messages": sum(stream["messages"] for stream in streams.values()),
            "lag": max(stream["lag"] for stream in streams.values()),
            "offline": sum(len(stream["offline"]) for stream in streams.values()),
            "streams": streams,
        },
        "consumers": {"ok": True, "pending": sum(consumers.values()), "consumers": consumers},
        "dead_letters": {"ok": not counts, "waiting": sum(counts)},
    }


def _stream(info: "_Stream") -> dict[str, Any]:
    peers = info.cluster.replicas or []
    return {
        "messages": info.state.messages,
        "last": info.state.last_seq,
        "replicas": info.config.num_replicas,
        "leader": info.cluster.leader,
        "lag": max((peer.lag for peer in peers), default=0),
        # The server is slow to call a node that was killed offline; that its copy is not current it says at once.
        "offline": [peer.name for peer in peers if peer.offline or not peer.current],
    }


class _State(msgspec.Struct):
    messages: int
    last_seq: int
    subjects: dict[str, int] | None = None


class _Config(msgspec.Struct):
    num_replicas: int


class _Peer(msgspec.Struct):
    name: str
    current: bool = True
    offline: bool = False
    lag: int = 0
    """Entries that this node has still to store."""


class _Cluster(msgspec.Struct):
    leader: str | None = None
    replicas: list[_Peer] | None = None


class _Stream(msgspec.Struct):
    state: _State
    config: _Config
    cluster: _Cluster = msgspec.field(default_factory=_Cluster)


class _Consumer(msgspec.Struct):
    num_pending: int
    num_ack_pending: int
