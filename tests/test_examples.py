"""The modules that the how-to pages show, run as they are shown."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lib_one.event import utc_now
from lib_one.http import ASGITransport, client
from lib_one.sql import Outbox, Relay, create_inbox, create_outbox, open_database
from lib_one.testing import RecordingBus, eventually
from lib_one.webhook_signature import new_secret, sign

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_facts_are_told_with_the_state_and_take_effect_once(tmp_path: Path) -> None:
    facts = example("facts")
    database = open_database(f"sqlite:///{tmp_path / 'shop.db'}")
    bus = RecordingBus()
    outbox = Outbox(source="/shop", now=utc_now)
    relay = Relay(database, bus, now=utc_now)
    await database.work(facts.metadata.create_all)
    await database.work(_tables)
    running = [asyncio.create_task(job) for job in (relay.run(), facts.pack_parcels(database, bus, utc_now))]
    try:
        await facts.place_order(database, outbox, "order-1", "tea")
        await eventually(lambda: len(bus.events) == 1)
        bus.published += bus.published * 2  # the bus delivers it three times
        await facts.place_order(database, outbox, "order-2", "milk")

        async def both_packed() -> bool:
            return "order-2" in await facts.packed(database)

        await eventually(both_packed)
        assert await facts.packed(database) == ["order-1", "order-2"]
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await database.close()


def _tables(connection: object) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))  # type: ignore[arg-type]
    create_outbox(operations)
    create_inbox(operations)


async def test_a_receiver_of_webhooks_takes_what_is_signed_once_and_nothing_else() -> None:
    secret = new_secret()
    app = example("webhook_receiver").receiver([new_secret(), secret])
    body = b'{"type":"shipment.delivered.v1","timestamp":"2026-11-20T12:00:00Z","data":{}}'
    signed = sign(body, message_id="event-1", at=utc_now(), secrets=[secret])
    async with client(base_url="http://receiver.example", transport=ASGITransport(app)) as http:
        for _ in range(2):
            assert (await http.post("/hooks", content=body, headers=signed)).status_code == 204
        assert (await http.post("/hooks", content=body + b" ", headers=signed)).status_code == 401
        assert (await http.post("/hooks", content=body)).status_code == 401
    assert list(app.state.taken) == ["event-1"]


@pytest.mark.parametrize("name", ["guarded_service", "facts", "shop", "webhook_receiver"])
def test_page_shows_the_example(name: str) -> None:
    pages = "".join(page.read_text() for page in (EXAMPLES.parent / "how-to").glob("*.md"))
    assert f'"examples/{name}.py"' in pages
