"""How quickly a full outbox is drained: facts that waited out an outage, to a real nats-server, on each database."""

import asyncio
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import Connection

from lib_one.contracts.shipping import Place, ShipmentScanned
from lib_one.event import Contract, new_id, utc_now
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.sql import Database, Outbox, Relay, open_database, upgrade
from lib_one.testing import nats_server
from lib_one.testing.databases import fresh_database, postgres_server

WAITING = 200_000
AGGREGATES = 20_000
"""Shipments, so that each has ten facts that must stay in order."""
PLACE = Place(name="Rotterdam", country="Netherlands", latitude=51.95, longitude=4.14)


def outbox_drain(engine: str) -> dict[str, Any]:
    """Fill the outbox of a new database of this kind, and time the relay that empties it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(
            fresh_database(engine, folder, lambda: stack.enter_context(postgres_server()))  # only if it is asked for
        )
        upgrade(url, package="app_svc")
        return uvloop.run(_drain(engine, url))


async def _drain(engine: str, url: str) -> dict[str, Any]:
    database = open_database(url)
    async with nats_server() as server:
        connection = NatsConnection(server.url, name="app-svc")
        await connection.start()
        await connection.wait_connected(10)
        await _fill(database)
        relay = Relay(database, JetStreamBus(connection), now=utc_now)
        memory, cpu, began = _peak(), time.process_time(), time.perf_counter()
        relaying = asyncio.create_task(relay.run())
        while relay.published < WAITING:
            await asyncio.sleep(0.05)
        seconds = time.perf_counter() - began
        cpu = time.process_time() - cpu
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
        await connection.close()
    await database.close()
    row = {
        "engine": engine,
        "waiting": WAITING,
        "events_per_second": round(WAITING / seconds),
        "relay_cpu_us_per_event": round(cpu / WAITING * 1e6, 1),
        "memory_growth_mb": round((_peak() - memory) / 1024, 1),
    }
    print(
        f"outbox on {engine:<10} {WAITING:,} waiting: {row['events_per_second']:>6,} events/s, "
        f"{row['relay_cpu_us_per_event']} µs CPU of the relay an event, "
        f"{row['memory_growth_mb']} MB more memory than before",
        flush=True,
    )
    return row


async def _fill(database: Database) -> None:
    outbox = Outbox(source="/app-svc", now=utc_now)
    for chunk in batched(_facts(), 1000, strict=False):
        await database.work(partial(_record, outbox=outbox, facts=chunk))


def _record(connection: Connection, outbox: Outbox, facts: Sequence[Contract]) -> None:
    outbox.record(connection, *facts)


def _facts() -> Iterator[ShipmentScanned]:
    shipments = [new_id() for _ in range(AGGREGATES)]
    for number in range(WAITING):
        yield ShipmentScanned(
            shipment_id=shipments[number % AGGREGATES],
            revision=number // AGGREGATES + 1,
            scan_id=new_id(),
            biz_step="loading",
            place=PLACE,
            occurred_at=utc_now(),
            scanned_by="dan",
        )


def _peak() -> int:
    """Kilobytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
