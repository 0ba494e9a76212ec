"""The processes of the simulated system, made of the real parts. Each may be killed at any moment and is started again.

A killed process stops where it waits. What it had sent may arrive; what it would still do, has no effect.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nats.aio.msg import Msg

from app_svc.tracking.projector import Projector
from lib_one.bus import Delivery
from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.contracts.shipping import Place, ShipmentScanned, ShippingFact
from lib_one.event import decode, event
from lib_one.nats import APP_PROJECTOR, JetStreamBus, NatsConnection
from lib_one.sql import DatabaseError, Inbox, Outbox, Relay
from lib_two.revocation import FRESH_FOR, MAX_SKEW, RevocationView
from simulation.database import Door
from simulation.network import Client

if TYPE_CHECKING:
    from simulation.world import World

EPOCH = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = Place(name="Hà Nội")
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (0.1, 0.2, 0.4, 0.8))
LIFE = timedelta(minutes=11)

OWNER: ContextVar["Process | None"] = ContextVar("OWNER", default=None)
"""Whose code runs."""


def suspended_until(timer: asyncio.TimerHandle) -> float:
    """When whoever set this timer goes on."""
    owner = timer._context.get(OWNER)  # type: ignore[attr-defined]
    return 0.0 if owner is None else owner.suspended_until


class Process:
    """One process: a clock that is off, a connection, and tasks that die with it."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.alive = False
        self.life = 0
        self.skew = world.chance.uniform(-3, 3)
        self.suspended_until = 0.0
        self.tasks: list[asyncio.Task[Any]] = []
        self.clients: list[Client] = []
        self.shown: dict[datetime, float] = {}

    def now(self) -> datetime:
        """What its clock shows. The true time of it is remembered, for the checks."""
        true = self.world.loop.time()
        shown = EPOCH + timedelta(seconds=true + self.skew)
        self.shown.setdefault(shown, true)
        return shown

    def start(self) -> None:
        """Begin anew, with nothing in memory."""
        self.alive = True
        self.life += 1
        self.suspended_until = 0.0
        self.tasks, self.clients = [], []
        self.begin()
        self.spawn(self._live())

    def begin(self) -> None:
        """Make the parts."""

    async def run(self) -> None:
        """Work for ever."""
        raise NotImplementedError

    async def _live(self) -> None:
        try:
            await self.run()
        except Exception as fault:
            self.world.broken.append(f"{self.name} ended with {fault!r}")

    def spawn(self, work: Any) -> None:
        """Run something as this process."""
        token = OWNER.set(self)
        try:
            self.world.loop.create_task(work)
        finally:
            OWNER.reset(token)

    def client(self) -> Client:
        """What nats-py would be."""
        client = Client(self, self.world.server)
        self.clients.append(client)
        return client

    def die(self) -> None:
        """Be killed, now; after a while somebody starts it again."""
        if not self.alive:
            return
        self.alive = False
        for client in self.clients:
            client.die()
        self.suspended_until = 0.0
        self.world.loop.call_soon(self._stop, list(self.tasks))
        pause = self.world.chance.uniform(0.05, 2.0)
        self.world.loop.call_later(pause, self.start, context=self.world.nobody)

    def heard(self, message: Msg) -> None:
        """A live copy has come."""

    def _stop(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()


def owned(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> "asyncio.Task[Any]":
    """A task factory: each task belongs to the process that made it."""
    task = asyncio.Task(work, loop=loop, **options)
    owner = OWNER.get()
    if owner is not None:
        owner.tasks.append(task)
    return task


class Authority(Process):
    """A service that records facts, and relays them: one of two over one database."""

    def begin(self) -> None:
        self.door = Door(self.world.storage, self, self.world.chance)
        self.outbox = Outbox(source="/simulation", now=self.now)
        self.bus = JetStreamBus(self._connect())
        self.relay = Relay(
            self.door,
            self.bus,
            now=self.now,
            heartbeat=lambda drained_at: event(
                RevocationHeartbeat(sent_at=drained_at), source="/simulation", now=self.now
            ),
            revocation_life=LIFE,
        )

    def _connect(self) -> NatsConnection:
        return NatsConnection("nats://simulation:4222", name="simulation")

    async def run(self) -> None:
        await self.bus.connection.start()
        self.spawn(self._serve())
        await self.relay.run()

    async def _serve(self) -> None:
        """Handle requests: each is a unit of work that changes state and tells of it."""
        chance = self.world.chance
        while True:
            await asyncio.sleep(chance.expovariate(2.5))
            if not self.world.faults:
                return
            with contextlib.suppress(DatabaseError, _RefusedError):
                await self.door.work(chance.choice((self._revoke, self._revoke, self._scan, self._scan_many)))

    def _revoke(self, connection: Any) -> None:
        token = f"t{self.world.storage.noted(revision=0) + 1}"
        self.world.storage.note(token, 0)
        expires_at = EPOCH + timedelta(days=1)
        self.outbox.record(connection, TokenRevoked(token_id=token, expires_at=expires_at))

    def _scan(self, connection: Any) -> None:
        for _ in range(self.world.chance.choice((1, 1, 2, 3))):
            self._tell(connection, f"s{self.world.chance.randrange(3)}")
        if self.world.chance.random() < 0.1:
            raise _RefusedError

    def _scan_many(self, connection: Any) -> None:
        """As an import does: enough for an atomic batch."""
        if self.world.chance.random() < 0.1:
            for number in range(18):
                self._tell(connection, f"b{number}")

    def _tell(self, connection: Any, shipment: str) -> None:
        revision = self.world.storage.noted(aggregate=shipment) + 1
        self.world.storage.note(shipment, revision)
        fact = ShipmentScanned(
            shipment_id=shipment,
            revision=revision,
            scan_id=f"{shipment}-{revision}",
            biz_step="loading",
            place=HERE,
            occurred_at=EPOCH,
            scanned_by="dan",
        )
        self.outbox.record(connection, fact)


class _RefusedError(Exception):
    """The unit of work changed its mind: nothing of it may be told."""


class Worker(Process):
    """A reader of the stream with two effects of each fact: a line in a ledger, and one in the timeline."""

    def begin(self) -> None:
        self.door = Door(self.world.storage, self, self.world.chance)
        self.inbox = Inbox("simulation__ledger", now=self.now)
        self.projector = Projector(self.door, now=self.now, written=lambda: None)
        self.bus = JetStreamBus(NatsConnection("nats://simulation:4222", name="simulation"), backoff=BACKOFF)

    async def run(self) -> None:
        await self.bus.connection.start()
        await self.bus.consume(APP_PROJECTOR, self.handle)

    async def handle(self, delivery: Delivery) -> None:
        """The work: it takes its time, and some of it fails once or always."""
        fact = delivery.event.data
        assert isinstance(fact, ShippingFact)
        tries = self.world.failures.get((fact.shipment_id, fact.revision), 0)
        if delivery.attempt <= tries:
            raise ValueError("the simulation lets this fail")
        await asyncio.sleep(self.world.chance.random() ** 4)
        await self.door.work(lambda connection: self._enter(connection, delivery.event.id))
        await self.projector.handle(delivery)

    def _enter(self, connection: Any, event_id: str) -> None:
        if self.inbox.first_time(connection, event_id):
            self.world.storage.enter(event_id)


class Guard(Process):
    """A resource server: a view of what is revoked, and what may be expected of it."""

    def begin(self) -> None:
        self.connection = NatsConnection("nats://simulation:4222", name="guard")
        self.view = RevocationView(now=self.now, monotonic=self.world.loop.time)
        self.known: set[str] = set()
        """Tokens that it has refused."""
        self.told: set[str] = set()
        """Tokens whose revocation came in live, over the session that lives."""
        self.session: object = None
        self.beats: list[tuple[float, float]] = []
        """Heartbeats that came in live and timely: when, and up to when they vouch, in true time."""

    async def run(self) -> None:
        await self.connection.start()
        await self.view.run(self.connection)

    def heard(self, message: Msg) -> None:
        fact = decode(message.headers or {}, message.data).data
        if self.clients[-1] is not self.session:
            self.session, self.told = self.clients[-1], set()
        if isinstance(fact, TokenRevoked):
            self.told.add(fact.token_id)
        elif isinstance(fact, RevocationHeartbeat) and abs(self.now() - fact.sent_at) <= MAX_SKEW:
            self.beats.append((self.world.loop.time(), self.world.true_time(fact.sent_at)))
        self.world.loop.call_soon(self.check, True, context=self.world.nobody)

    def check(self, at_once: bool = False) -> None:
        """What was refused stays refused; and FRESH means what it says. With `at_once`, when a copy has just come."""
        world, now = self.world, self.world.loop.time()
        refused = {token for token, claims in world.claims.items() if self.view.revoked(claims)}
        assert self.known <= refused, f"{self.name} accepts again: {sorted(self.known - refused)}"
        self.known = refused
        if not self.view.fresh():
            return
        vouched = [until for at, until in self.beats if at >= now - FRESH_FOR]
        assert vouched, f"{self.name} is fresh, and has heard no heartbeat for {FRESH_FOR} s"
        due = {token for token, at in world.revoked.items() if at < min(vouched)}
        assert due <= refused, f"{self.name} is fresh without {sorted(due - refused)}, which was vouched for"
        if not at_once and now - world.revocations_lost_at > 5:  # else the copy may be of a stream that is no more
            assert self.told <= refused, f"{self.name} is fresh without {sorted(self.told - refused)}, which it heard"


async def outage(world: "World", seconds: float) -> None:
    """The server is away for a while."""
    world.server.up = False
    for client in list(world.server.clients):
        client.cut(silence=0.0)
    await asyncio.sleep(seconds)
    world.server.up = True
