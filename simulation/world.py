"""One seed: the processes, the faults that come over them, and the promises that are checked all the time."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from lib_one.nats import session as session_module
from lib_one.nats.client import BusClient
from lib_two.revocation import State
from lib_two.validation import Claims
from simulation.database import Storage
from simulation.loop import VirtualLoop
from simulation.processes import EPOCH, OWNER, Authority, Guard, Process, Worker, outage, owned, suspended_until
from simulation.server import Server, Stored

STORM = 8.0
"""Seconds with faults."""
CALM = 90.0
"""Seconds without, after which everything must have settled."""
LOOK = 0.2
"""Seconds between two checks."""


@dataclass(frozen=True)
class Faults:
    """How often something goes wrong that nobody plans."""

    lost: float
    """Of live copies, answers and verdicts."""
    database: float
    """Of units of work, that the database is away."""
    death: float
    """Of units of work, that the process dies in it."""


class BrokenPromiseError(AssertionError):
    """A seed has broken a promise."""


class World:
    """One run. The same seed does the same again."""

    def __init__(self, seed: int, loop: VirtualLoop, storage: Storage) -> None:
        self.chance = random.Random(seed)
        self.loop = loop
        self.nobody = Context()
        """What belongs to no process: the network, the server, whoever starts processes."""
        self.storage = storage
        self.faults: Faults | None = Faults(
            lost=self.chance.choice((0.0, 0.03, 0.12)),
            database=self.chance.choice((0.0, 0.02)),
            death=self.chance.choice((0.0, 0.01, 0.03)),
        )
        self.page = self.chance.choice((2, 500))
        """Messages of a replay in one answer."""
        self.server = Server(self, loop, window=self.chance.choice((0.3, 120.0)))
        self.failures: dict[tuple[str, int], int] = {}
        self.claims: dict[str, Claims] = {}
        self.revoked: dict[str, float] = {}
        """When each token's revocation was committed."""
        self.facts: list[tuple[str, int]] = []
        """The other facts that were committed: aggregate and revision."""
        self.lossy = False
        """Whether the bus has ever lost facts that it had acknowledged."""
        self.revocations_lost_at = -100.0
        """When it last lost revocations."""
        self.ever: set[str] = set()
        """Ids of all facts that were ever stored."""
        self.reached: dict[tuple[str, str], int] = {}
        self.history: list[tuple[float, str, str]] = []
        """What was stored, for whoever wants to compare two runs."""
        self.broken: list[str] = []
        """What was seen to be wrong where nobody could be told."""
        self._seen = 0
        self.guards = [Guard(self, "guard 1"), Guard(self, "guard 2")]
        self.processes: list[Process] = [Authority(self, "one"), Authority(self, "two"), Worker(self, "worker")]
        self.processes += self.guards

    # What is told to the world, to be compared.

    def committed(self) -> None:
        """A unit of work was committed: note what happened in it."""
        rows = self.storage.raw.execute(
            "SELECT position, aggregate, revision FROM happened WHERE position > ?", [self._seen]
        ).fetchall()
        for position, aggregate, revision in rows:
            self._seen = position
            if revision == 0:
                self.revoked[aggregate] = self.loop.time()
                self.claims[aggregate] = _claims(aggregate)
            else:
                self.facts.append((aggregate, revision))
                self.failures[aggregate, revision] = self.chance.choices((0, 1, 99), (20, 2, 1))[0]

    def stored(self, stream: str, created: str, message: Stored) -> None:
        """A message was stored: within one stream, the facts of an aggregate come in their order."""
        event_id = message.headers["ce-id"]
        aggregate = message.headers["ce-subject"]
        self.ever.add(event_id)
        self.history.append((self.loop.time(), stream, message.subject))
        if stream != "SHIPMENTS":
            return
        revision = msgspec.json.decode(message.body)["revision"]
        before = self.reached.get((created, aggregate), 0)
        if not self.lossy and revision > before + 1:
            self.broken.append(f"{aggregate}: {revision} is stored after {before}")
        self.reached[created, aggregate] = max(before, revision)

    def true_time(self, shown: datetime) -> float:
        """When a relay's clock showed this."""
        return next(process.shown[shown] for process in self.processes if shown in process.shown)

    # The run.

    async def run(self) -> None:
        """Storm, then calm.

        Raises:
            AssertionError: a promise was broken.
        """
        for process in self.processes:
            process.start()
        plan = sorted(self.chance.uniform(0.5, STORM) for _ in range(self.chance.randrange(3, 11)))
        self.loop.create_task(self._storm(plan))
        while self.loop.time() < STORM:
            await asyncio.sleep(LOOK)
            self._check()
        self.faults = None
        self.server.up = True
        while left := self._unsettled():
            await asyncio.sleep(LOOK)
            self._check()
            if self.loop.time() > STORM + CALM:
                raise BrokenPromiseError(f"not settled: {left}")

    async def _storm(self, plan: list[float]) -> None:
        kinds: dict[Callable[[], None], float] = {
            self._cut: 4,
            self._kill: 4,
            self._suspend: 2,
            self._jump: 1,
            self._away: 1,
            self._wipe: 1.5,
            self._set_back: 1,
            self._purge: 0.7,
        }
        for moment in plan:
            await asyncio.sleep(moment - self.loop.time())
            self.chance.choices(list(kinds), list(kinds.values()))[0]()

    def _cut(self) -> None:
        if self.server.clients:
            silence = self.chance.choice((0.0, 0.0, self.chance.uniform(0.5, 6)))
            self.chance.choice(self.server.clients).cut(silence=silence)

    def _kill(self) -> None:
        self.chance.choice(self.processes).die()

    def _suspend(self) -> None:
        self.chance.choice(self.processes).suspended_until = self.loop.time() + self.chance.uniform(0.5, 14)

    def _jump(self) -> None:
        self.chance.choice(self.processes).skew = self.chance.uniform(-4.5, 4.5)

    def _away(self) -> None:
        self.loop.create_task(outage(self, self.chance.uniform(0.3, 4)))

    def _wipe(self) -> None:
        """A stream is deleted; or all are gone with the disk, while the server is away."""
        names = [self.chance.choice(("REV", "SHIPMENTS"))]
        if self.chance.random() < 0.5:
            names = list(self.server.streams)
            self._away()
        for name in names:
            self._loses(name)
            self.server.lose(name)
        if self.chance.random() < 0.5:
            self.chance.choice(self.guards).die()

    def _loses(self, name: str) -> None:
        if name == "REV":
            self.revocations_lost_at = self.loop.time()
        else:
            self.lossy = True

    def _set_back(self) -> None:
        """The server comes back with an older state of its disk."""
        stream = self.server.streams.get(self.chance.choice(("REV", "SHIPMENTS")))
        if stream is not None:
            self._loses(stream.name)
            stream.set_back(self.chance.randint(0, stream.last))
            self._away()

    def _purge(self) -> None:
        """The revocations are gone, and somebody who knows none of them starts."""
        if "REV" in self.server.streams:
            self._loses("REV")
            self.server.streams["REV"].purge()
            self.chance.choice(self.guards).die()

    # The promises.

    def _check(self) -> None:
        assert not self.broken, self.broken[0]
        for guard in self.guards:
            if guard.alive:
                guard.check()
        sent = {id_ for (id_,) in self.storage.raw.execute("SELECT event_id FROM outbox WHERE sent_at IS NOT NULL")}
        assert sent <= self.ever, f"{len(sent - self.ever)} facts count as sent and were never stored"
        twice = self.storage.raw.execute("SELECT 1 FROM ledger GROUP BY event_id HAVING count(*) > 1").fetchall()
        assert not twice, f"{len(twice)} facts took effect twice"

    def _unsettled(self) -> str:
        """What has not come to rest yet; nothing, when all is as it should be."""
        asked = self.storage.raw.execute
        if not all(process.alive for process in self.processes):
            return "a process is down"
        (waiting,) = asked("SELECT count(*) FROM outbox WHERE sent_at IS NULL").fetchone()
        if waiting:
            return f"{waiting} facts wait in the outbox"
        stream = self.server.streams.get("SHIPMENTS")
        stored = set() if stream is None else {message.headers["ce-id"] for message in stream.messages.values()}
        told: dict[str, tuple[str, int]] = {}
        for event_id, aggregate, body in asked("SELECT event_id, aggregate, body FROM outbox WHERE NOT urgent"):
            told[event_id] = (aggregate, msgspec.json.decode(body)["revision"])
        if missing := sorted(set(self.facts) ^ set(told.values())):
            return f"{missing} happened, and the outbox does not have them"
        if missing := sorted(told[event_id] for event_id in told.keys() - stored):
            return f"{missing} are not in the stream"
        for table in ("ledger", "timeline_entry"):
            done = {event_id for (event_id,) in asked(f"SELECT event_id FROM {table}")}
            if missing := sorted(told[event_id] for event_id in told.keys() - done - self.server.dead):
                return f"{missing} took no effect in the {table}"
        for guard in self.guards:
            if guard.view.state() is not State.FRESH:
                return f"{guard.name} is {guard.view.state()}"
            if unknown := sorted(self.revoked.keys() - guard.known):
                return f"{guard.name} does not refuse {unknown}"
        return ""


def _claims(token: str) -> Claims:
    return Claims(
        issuer="i",
        subject="s",
        audience=("a",),
        client_id="c",
        token_id=token,
        issued_at=EPOCH,
        expires_at=EPOCH + timedelta(minutes=10),
        scopes=frozenset(),
        key_id="k",
    )


_storage: list[Storage] = []


def run(seed: int, *, log: bool = False) -> World:
    """Run one seed; with `log`, the parts say what they see.

    Raises:
        BrokenPromiseError: a promise was broken; it says which, when and with which seed.
    """
    if not _storage:
        _storage.append(Storage())
    storage = _storage[0]
    storage.empty()
    loop = VirtualLoop(suspended_until)
    loop.set_task_factory(owned)
    world = World(seed, loop, storage)
    loop.set_exception_handler(lambda _loop, fault: world.broken.append(str(fault.get("exception") or fault)))
    with _log(loop, level=0 if log else logging.CRITICAL), _simulated_clients():
        try:
            loop.run_until_complete(world.run())
        except AssertionError as broken:
            raise BrokenPromiseError(f"seed {seed}, after {loop.time():.1f} s: {broken}") from broken
        finally:
            _end(loop)
    return world


def _end(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


@contextmanager
def _log(loop: VirtualLoop, *, level: int) -> Iterator[None]:
    """What the parts log, with the made-up time and whose it is."""

    def stamp(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        owner = OWNER.get()
        return {"timestamp": f"{loop.time():7.3f}", "process": owner.name if owner else None, **line}

    before = structlog.get_config()
    structlog.configure(
        processors=[stamp, structlog.dev.ConsoleRenderer(colors=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _simulated_clients() -> Iterator[None]:
    """The real session takes a client of ours where it would take nats-py's."""

    def client() -> Any:
        owner = OWNER.get()
        assert owner is not None
        return owner.client()

    session_module.BusClient = client  # type: ignore[assignment,attr-defined]
    try:
        yield
    finally:
        session_module.BusClient = BusClient  # type: ignore[attr-defined]
