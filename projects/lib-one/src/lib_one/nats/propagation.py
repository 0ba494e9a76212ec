"""How far a fact has come: which services have applied it, and after how long.

A service that keeps a stream in memory says in its statistics (`$SRV.STATS`, see `Presence`) up to where: under
`guard`, with `stream` (when it was made) and `sequence`. So it is enough to ask, and nothing is sent while nobody does.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Collection

import msgspec
from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError
from lib_one.nats.connection import NatsConnection
from lib_one.nats.session import Session
from lib_one.nats.topology import StreamInfo
from lib_one.observe import get_logger

MEETING = 0.25
"""Seconds after which a service that has not answered is not known to be there."""
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05
"""Seconds between two questions: the pause doubles from the first to the longest."""

log = get_logger(__name__)


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """One running service that keeps the stream in memory."""

    name: str
    id: str
    version: str
    after_ms: float | None
    """Milliseconds after the commit by which it had applied the fact; None: it had not when we stopped asking."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fact has come."""

    sequence: int | None = None
    """Its place in the stream; None: not known to be stored."""
    services: tuple[Applied, ...] = ()
    """Whoever answered, by name."""

    @property
    def complete(self) -> bool:
        """Whether it is stored, and every service that answered has applied it."""
        return self.sequence is not None and all(service.after_ms is not None for service in self.services)


class Propagation:
    """Watches facts on their way through one stream to the services.

    Args:
        connection: The process's connection.
        stream: The stream's name.
        live: Before the subject of a fact, where the server tells its live copy.
    """

    def __init__(self, connection: NatsConnection, *, stream: str = "REV", live: str = "live.") -> None:
        self._connection = connection
        self._stream = stream
        self._live = live

    async def watch(self, subjects: Collection[str], tell: Callable[[], Awaitable[object]], *, within: float) -> Reach:
        """Run `tell`, which commits facts with these subjects, and see who applies them, `within` seconds at most.

        `tell` is run whatever becomes of the bus; what it raises is raised.
        """
        if not self._connection.connected:
            await tell()
            return Reach()
        session = await self._connection.session()
        try:
            return await _Watch(session, self._stream, self._live).run(subjects, tell, within=within)
        except BusUnavailableError as error:
            log.warning("nobody can be asked how far a fact has come", reason=str(error))
            return Reach()


class _Watch:
    """One fact, or several of one transaction, over one session."""

    def __init__(self, session: Session, stream: str, live: str) -> None:
        self._session = session
        self._stream = stream
        self._live = live
        self._heard: dict[str, int] = {}
        self._all_heard = asyncio.Event()
        self._known: dict[str, _Statistics] = {}
        self._after: dict[str, float] = {}
        self._goal: tuple[str, int] = ("", 0)
        self._began = 0.0

    async def run(self, subjects: Collection[str], tell: Callable[[], Awaitable[object]], *, within: float) -> Reach:
        wanted = {self._live + subject for subject in subjects}

        def hear(message: Msg) -> None:
            self._heard[message.subject] = int((message.headers or {}).get("Nats-Sequence", 0))
            if wanted <= self._heard.keys():
                self._all_heard.set()

        inbox = self._session.client.new_inbox()
        subscriptions = []
        try:
            try:
                for subject in wanted:
                    subscriptions.append(await self._session.subscribe(subject, hear))
                subscriptions.append(await self._session.subscribe(f"{inbox}.*", self._answer))
                await self._info()  # when this is answered, the server knows of the subscriptions
            finally:
                await tell()
                self._began = time.perf_counter()
            deadline = self._began + within
            try:
                async with asyncio.timeout(within):
                    await self._all_heard.wait()
            except TimeoutError:
                return Reach()
            created = (await self._info()).created
            self._goal = created, max(self._heard.values())
            await self._ask(inbox, deadline)
            return self._reach()
        finally:
            for subscription in subscriptions:
                await self._session.unsubscribe(subscription)

    async def _info(self) -> StreamInfo:
        return await self._session.api(StreamInfo, f"STREAM.INFO.{self._stream}")

    async def _ask(self, inbox: str, deadline: float) -> None:
        """Ask everybody, until everybody who is there has applied it or the time is over."""
        pause, met = FIRST_PAUSE, time.perf_counter() + MEETING
        for question in itertools.count():
            # A place of its own for the answers to each: who is asked may answer there once (`allow_responses`).
            await self._session.publish("$SRV.STATS", b"", reply=f"{inbox}.{question}")
            await asyncio.sleep(pause)
            now = time.perf_counter()
            if now > deadline or (now > met and self._known.keys() == self._after.keys()):
                return
            pause = min(pause * 2, LONGEST_PAUSE)

    def _answer(self, message: Msg) -> None:
        try:
            told = msgspec.json.decode(message.data, type=_Statistics)
        except msgspec.MsgspecError:
            return  # a service that has nothing to do with this
        guard = next((endpoint.data.guard for endpoint in told.endpoints if endpoint.data.guard), None)
        if guard is None:
            return
        self._known[told.id] = told
        created, sequence = self._goal
        if guard.stream == created and guard.sequence >= sequence:
            self._after.setdefault(told.id, (time.perf_counter() - self._began) * 1e3)

    def _reach(self) -> Reach:
        services = [
            Applied(
                name=told.name,
                id=told.id,
                version=told.version,
                after_ms=round(self._after[told.id], 2) if told.id in self._after else None,
            )
            for told in sorted(self._known.values(), key=lambda told: (told.name, told.id))
        ]
        return Reach(sequence=self._goal[1], services=tuple(services))


class _Guard(msgspec.Struct):
    stream: str | None
    sequence: int


class _Data(msgspec.Struct):
    guard: _Guard | None = None


class _Endpoint(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _Statistics(msgspec.Struct):
    name: str
    id: str
    version: str
    endpoints: list[_Endpoint]
