"""Presence: who runs, in which role and version, and how it fares, by the NATS micro protocol.

Any tool that speaks it (`nats micro ls`, a request to `$SRV.PING`) sees every service. nats-py's own implementation
cannot move to another connection, so the three answers are given here.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError
from lib_one.event import Now, new_id, utc_now
from lib_one.nats.connection import NatsConnection
from lib_one.nats.session import Session
from lib_one.nats.standing import Check
from lib_one.observe import get_logger

RETRY = 0.5
"""Seconds."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the parts of a service: who asks for statistics must not wait for a database."""

log = get_logger(__name__)

type Stats = Callable[[], Mapping[str, object]]
"""What a service tells about itself, as small as can be shown on one screen: it must be JSON."""


type Look = Callable[[], Awaitable[Mapping[str, Check]]]
"""Looks at each part of a service: what `/ready` answers as `checks`."""


class ServiceInfo(msgspec.Struct, frozen=True):
    """One running service, as its answer to `PING` tells."""

    name: str
    id: str
    version: str


class ServiceStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One running service, as its answer to `STATS` tells."""

    name: str
    id: str
    version: str
    role: str
    started: datetime
    ok: bool
    """Whether every check was."""
    checks: dict[str, dict[str, Any]]
    """Each part with its facts, of `looked_at`."""
    looked_at: datetime | None


class Presence:
    """Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` for one service, over every connection there will be.

    Args:
        connection: The process's connection.
        name: The service's; without one, that of the connection.
        version: Of the service, as in `1.2.3`.
        description: One line for people.
        role: What of the service this process does.
        look: Asked every few seconds; what it found last is told as `checks` at each `STATS`.
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
        role: str = "",
        look: Look | None = None,
        stats: Stats | None = None,
        now: Now = utc_now,
    ) -> None:
        self._connection = connection
        self._stats = stats
        self._look = look
        self._now = now
        self._checks: Mapping[str, Check] = {}
        self._looked_at: datetime | None = None
        self._started: datetime = now()
        self._identity: dict[str, Any] = {"name": name or connection.name, "id": new_id(), "version": version}
        self._identity["metadata"] = {"role": role}
        self._description = description

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_for_ever())
            tasks.create_task(self._answer())

    async def _look_for_ever(self) -> None:
        while self._look is not None:
            try:
                self._checks, self._looked_at = await self._look(), self._now()
            except Exception:
                log.exception("the service could not look at itself")
            await asyncio.sleep(LOOK_EVERY)

    async def _answer(self) -> None:
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
        told = {"checks": self._checks, "looked_at": self._looked_at}
        endpoint = {
            "name": "service",
            "subject": "",
            "queue_group": "",
            "num_requests": 0,
            "num_errors": 0,
            "last_error": "",
            "processing_time": 0,
            "average_processing_time": 0,
            "data": {**told, **(self._stats() if self._stats else {})},
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
    found = [
        msgspec.json.decode(answer, type=ServiceInfo)
        for answer in await _ask_all(await connection.session(), "PING", wait)
    ]
    return sorted(found, key=lambda service: (service.name, service.id))


async def standings(connection: NatsConnection, *, wait: float = 0.3) -> list[ServiceStanding]:
    """How every service stands that answers `$SRV.STATS` within `wait` seconds, by name and role.

    Raises:
        BusUnavailableError: the bus is away.
    """
    try:
        async with asyncio.timeout(wait):
            session = await connection.session()
    except TimeoutError:
        raise BusUnavailableError("NATS is away") from None
    return await standings_in(session, wait=wait)


async def standings_in(session: Session, *, wait: float = 0.3) -> list[ServiceStanding]:
    """The same, asked in this session.

    Raises:
        BusUnavailableError: the session is over, or may not ask.
    """
    found = []
    for answer in await _ask_all(session, "STATS", wait):
        with contextlib.suppress(msgspec.MsgspecError):  # somebody else's service
            found.append(_standing(msgspec.json.decode(answer, type=_Stats)))
    return sorted(found, key=lambda service: (service.name, service.role, service.id))


async def _ask_all(session: Session, verb: str, wait: float) -> list[bytes]:
    inbox = session.client.new_inbox()
    answers: list[bytes] = []

    def receive(message: Msg) -> None:
        if message.data:  # else: nobody is there
            answers.append(message.data)

    subscription = await session.subscribe(inbox, receive)
    try:
        await session.publish(f"$SRV.{verb}", b"", reply=inbox)
        await asyncio.sleep(wait)
    finally:
        await session.unsubscribe(subscription)
    return answers


def _standing(stats: "_Stats") -> ServiceStanding:
    data = stats.endpoints[0].data if stats.endpoints else _Data()
    return ServiceStanding(
        name=stats.name,
        id=stats.id,
        version=stats.version,
        role=stats.metadata.get("role", ""),
        started=stats.started,
        ok=all(check.get("ok") is True for check in data.checks.values()),
        checks=data.checks,
        looked_at=data.looked_at,
    )


class _Data(msgspec.Struct):
    checks: dict[str, dict[str, Any]] = {}
    looked_at: datetime | None = None


class _Endpoint(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _Stats(msgspec.Struct):
    """An answer to `STATS`."""

    name: str
    id: str
    version: str
    started: datetime
    metadata: dict[str, str] = {}
    endpoints: list[_Endpoint] = []
