"""Presence: who runs, in which version, and how it fares, by the NATS micro protocol.

Any tool that speaks it (`nats micro ls`, a request to `$SRV.PING`) sees every service. nats-py's own implementation
cannot move to another connection, so the three answers are given here.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError
from lib_one.event import Now, new_id, utc_now
from lib_one.nats.connection import NatsConnection
from lib_one.nats.session import Session

RETRY = 0.5
"""Seconds."""

type Stats = Callable[[], Mapping[str, object]]
"""What a service tells about itself, as small as can be shown on one screen: it must be JSON."""


class ServiceInfo(msgspec.Struct, frozen=True):
    """One running service, as its answer to `PING` tells."""

    name: str
    id: str
    version: str


class Presence:
    """Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` for one service, over every connection there will be.

    Args:
        connection: The process's connection.
        name: The service's; without one, that of the connection.
        version: Of the service, as in `1.2.3`.
        description: One line for people.
        stats: Asked at each `STATS`; the answer is under `data` of the endpoint `service`.
        now: The clock.
    """

    def __init__(
        self,
        connection: NatsConnection,
        *,
        version: str,
        name: str | None = None,
        description: str = "",
        stats: Stats | None = None,
        now: Now = utc_now,
    ) -> None:
        self._connection = connection
        self._stats = stats
        self._started: datetime = now()
        self._identity = {"name": name or connection.name, "id": new_id(), "version": version, "metadata": {}}
        self._description = description

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            session = await self._connection.session()
            with contextlib.suppress(BusUnavailableError):
                for verb, answer in (("PING", self._ping), ("INFO", self._info), ("STATS", self._statistics)):
                    name, id_ = self._identity["name"], self._identity["id"]
                    for subject in (f"$SRV.{verb}", f"$SRV.{verb}.{name}", f"$SRV.{verb}.{name}.{id_}"):
                        await self._serve(session, subject, answer)
                await session.ended.wait()
            await asyncio.sleep(RETRY)

    async def _serve(self, session: Session, subject: str, answer: Callable[[], dict[str, object]]) -> None:
        async def respond(message: Msg) -> None:
            # Elsewhere our answer would be a message of ours, in a stream perhaps, at the word of whoever may ask.
            if message.reply.startswith("_INBOX."):
                with contextlib.suppress(BusUnavailableError):
                    await session.publish(message.reply, msgspec.json.encode(answer()))

        await session.serve(subject, respond)

    def _ping(self) -> dict[str, object]:
        return {"type": "io.nats.micro.v1.ping_response", **self._identity}

    def _info(self) -> dict[str, object]:
        return {
            "type": "io.nats.micro.v1.info_response",
            **self._identity,
            "description": self._description,
            "endpoints": [],
        }

    def _statistics(self) -> dict[str, object]:
        endpoint = {
            "name": "service",
            "subject": "",
            "queue_group": "",
            "num_requests": 0,
            "num_errors": 0,
            "last_error": "",
            "processing_time": 0,
            "average_processing_time": 0,
            "data": dict(self._stats()) if self._stats else {},
        }
        return {
            "type": "io.nats.micro.v1.stats_response",
            **self._identity,
            "started": self._started,
            "endpoints": [endpoint],
        }


async def discover(connection: NatsConnection, *, wait: float = 0.3) -> list[ServiceInfo]:
    """Every service that answers `$SRV.PING` within `wait` seconds, by name.

    Raises:
        BusUnavailableError: the connection was lost meanwhile.
    """
    session = await connection.session()
    found: list[ServiceInfo] = []
    inbox = session.client.new_inbox()

    def receive(message: Msg) -> None:
        if message.data:
            found.append(msgspec.json.decode(message.data, type=ServiceInfo))

    subscription = await session.subscribe(inbox, receive)
    try:
        await session.publish("$SRV.PING", b"", reply=inbox)
        await asyncio.sleep(wait)
    finally:
        await session.unsubscribe(subscription)
    return sorted(found, key=lambda service: (service.name, service.id))
