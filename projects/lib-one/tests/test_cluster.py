"""Three nodes, every stream on all of them, TLS between all: what was acknowledged outlives the node that took it, and
the door is one, whichever node it is opened and shut by.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from sqlalchemy import Column, Connection, MetaData, Table, Text, insert, make_url, select

from lib_one.bus import Delivery
from lib_one.contracts.shipping import Place, ShipmentScanned
from lib_one.errors import BusUnavailableError
from lib_one.event import Event, decode, new_id, utc_now
from lib_one.nats import APP_PROJECTOR, JetStreamBus, NatsConnection, bus_checks
from lib_one.nats.callout import Admission, Callout, Shown
from lib_one.nats.doorkeeper import Connected, Doorkeeper
from lib_one.nats.guest import Guest
from lib_one.nats.session import Session
from lib_one.nats.tail import Tail
from lib_one.sql import Database, Inbox, Outbox, Relay, open_database
from lib_one.sql.inbox import metadata as inbox_metadata
from lib_one.sql.outbox import metadata as outbox_metadata
from lib_one.sql.sqlite import migrating
from lib_one.testing import eventually, in_background
from lib_one.testing.cluster import NatsCluster, nats_cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE = 120.0
"""Seconds for a cluster on a busy machine to agree on a leader; it takes about five on an idle one."""

_metadata = MetaData()
_effects = Table("effects", _metadata, Column("scan_id", Text, nullable=False))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes() -> AsyncIterator[NatsCluster]:
    async with nats_cluster() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(nodes: NatsCluster) -> NatsCluster:
    """Three nodes that run; a test may have killed one."""
    await nodes.start_all()
    return nodes


@pytest_asyncio.fixture(loop_scope="module")
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    with migrating(make_url(url)) as connection:
        for metadata in (_metadata, outbox_metadata, inbox_metadata):
            metadata.create_all(connection)
    opened = open_database(url)
    yield opened
    await opened.close()


async def connected(cluster: NatsCluster, name: str, *, url: str | None = None) -> NatsConnection:
    connection = NatsConnection(url or cluster.url, name=name, nkey_seed=cluster.seed(name), ca_file=cluster.ca_file)
    await connection.start()
    assert await connection.wait_connected(PATIENCE)
    return connection


async def test_nothing_is_lost_or_doubled_when_the_leader_is_killed_under_load(
    cluster: NatsCluster, database: Database
) -> None:
    publishing, reading, looking = [await connected(cluster, name) for name in ("app-svc", "app-svc", "operator")]
    relay = Relay(database, JetStreamBus(publishing, replicas=3), now=utc_now)
    outbox, inbox = Outbox(source="/test", now=utc_now), Inbox("test", now=utc_now)
    recorded: set[str] = set()
    writing = True

    def take(connection: Connection, event: Event) -> None:
        assert isinstance(event.data, ShipmentScanned)
        if inbox.first_time(connection, event.id):
            connection.execute(insert(_effects).values(scan_id=event.data.scan_id))

    async def handle(delivery: Delivery) -> None:
        await database.work(lambda connection: take(connection, delivery.event))

    async def write() -> None:
        shipments = [new_id() for _ in range(10)]
        for number in count():
            if not writing:
                return
            facts = [_scanned(shipment, number) for shipment in shipments]
            await database.work(lambda connection, facts=facts: outbox.record(connection, *facts))
            recorded.update(fact.scan_id for fact in facts)
            await asyncio.sleep(0.05)

    async def leader() -> str:
        session = await looking.session()
        info = await session.api(dict, "STREAM.INFO.SHIPMENTS")
        assert info["config"]["num_replicas"] == 3
        name: str = info["cluster"]["leader"]
        return name

    consuming = JetStreamBus(reading, replicas=3).consume(APP_PROJECTOR, handle)
    async with in_background(relay.run()), in_background(consuming):
        writer = asyncio.create_task(write())
        await eventually(lambda: relay.published >= 200, PATIENCE)
        killed = await leader()
        await cluster.kill(killed)
        before = relay.published
        await eventually(lambda: relay.published >= before + 500, PATIENCE)
        assert await leader() != killed
        await eventually(lambda: _offline(publishing, killed), PATIENCE)
        writing = False
        await writer

        async def settled() -> bool:
            return await relay.pending() == 0 and len(await _done(database)) >= len(recorded)

        await eventually(settled, PATIENCE, interval=0.1)
    stored = await _stored(await looking.session())
    assert len({event.id for event in stored}) == len(stored)
    assert Counter(event.data.scan_id for event in stored) == Counter(recorded)
    assert Counter(await _done(database)) == Counter(recorded)
    for connection in (publishing, reading, looking):
        await connection.close()


async def test_guest_of_one_node_is_admitted_and_put_out_by_processes_at_the_others(
    cluster: NatsCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Over TLS and over a WebSocket with TLS, and with what was made of the node's nonce."""
    monkeypatch.setenv("SSL_CERT_FILE", str(cluster.ca_file))
    asked = await connected(cluster, "auth-svc", url=cluster.node_url("nats-1"))
    keeping = await connected(cluster, "door-keeper", url=cluster.node_url("nats-2"))
    telling = await connected(cluster, "app-svc", url=cluster.node_url("nats-1"))
    here: dict[str, Connected] = {}

    async def decide(shown: Shown) -> Admission | str:
        if not shown.nonce or shown.signed != f"made of {shown.nonce}":
            return "nothing was made of the nonce"
        return Admission(
            name=shown.auth_token,
            publish=(),
            subscribe=("live.shipments.>",),
            expires_at=int(utc_now().timestamp()) + 3600,
        )

    def gone(who: Connected) -> None:
        for name in [name for name, one in here.items() if one == who]:
            del here[name]

    async def enter(address: str) -> tuple[str, Guest] | None:
        token, guest = new_id(), Guest()
        try:
            await guest.enter(
                address,
                token=token,
                subjects=["live.shipments.>"],
                sign=lambda nonce: f"made of {nonce}",
            )
        except BusUnavailableError:  # nobody keeps the door yet
            await guest.close()
            return None
        return token, guest

    async def hears() -> bool:
        await (await telling.session()).publish("live.shipments.place", b"")
        with contextlib.suppress(BusUnavailableError):  # silent: what it listens to is not known everywhere yet
            return (await stays.next(1.0)).subject == "live.shipments.place"
        return False

    callout = Callout(
        asked,
        issuer_seed=cluster.seed("door-issuer"),
        curve_seed=cluster.seed("door-curve"),
        decide=decide,
        now=utc_now,
    )
    doorkeeper = Doorkeeper(keeping, came=lambda who, name: here.update({name: who}), gone=gone)
    async with in_background(callout.run()), in_background(doorkeeper.run()):
        web, plain = cluster.websocket_url("nats-3"), cluster.node_url("nats-3")
        entered = [await eventually(partial(enter, address), PATIENCE, interval=0.1) for address in (web, plain, web)]
        *leaving, (other, stays) = [each for each in entered if each is not None]
        for token, leaves in leaving:
            await eventually(lambda: {token, other} <= here.keys(), PATIENCE)  # noqa: B023 - it ends in this round
            doorkeeper.kick(here[token])
            with pytest.raises(BusUnavailableError, match="has ended"):
                await leaves.next(PATIENCE)
            await eventually(lambda: token not in here, PATIENCE)  # noqa: B023
            await leaves.close()
        await eventually(hears, PATIENCE)
        await stays.close()
    for connection in (asked, keeping, telling):
        await connection.close()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


def _scanned(shipment: str, number: int) -> ShipmentScanned:
    return ShipmentScanned(
        shipment_id=shipment,
        revision=number + 1,
        scan_id=f"{shipment}-{number}",
        biz_step="loading",
        place=Place(name="Lusaka"),
        occurred_at=utc_now(),
        scanned_by="test",
    )


async def _done(database: Database) -> list[str]:
    return await database.read(lambda connection: list(connection.scalars(select(_effects.c.scan_id))))


async def _stored(session: Session) -> list[Event]:
    """Everything that the stream holds."""
    found: dict[int, Event] = {}

    def take(message: Msg, sequence: int) -> None:
        found[sequence] = decode(message.headers or {}, message.data)

    async with Tail(session, "SHIPMENTS", lambda *_: None) as tail:
        tail.more = True
        while tail.more:
            await tail.read(max(found, default=0) + 1, take)
    return list(found.values())


async def _offline(connection: NatsConnection, node: str) -> bool:
    """Whether operators see which node is away."""
    told = (await bus_checks(connection)).get("streams", {})
    return told.get("ok") is False and node in told.get("streams", {}).get("SHIPMENTS", {}).get("offline", ())
