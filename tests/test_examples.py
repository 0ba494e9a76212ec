"""The modules that the how-to pages show, run as they are shown."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from lib_one.event import utc_now
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.sql import Outbox, Relay, create_inbox, create_outbox, open_database
from lib_one.testing import RecordingBus, eventually, nats_server
from lib_two.testing import FakeIssuer

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_protected_api_lets_in_refuses_and_follows_revocations() -> None:
    async with nats_server() as nats:
        with FakeIssuer(audience="http://api.test") as issuer:
            app = example("protected_api").create_app(
                issuer=issuer.url,
                resource="http://api.test",
                nats_url=nats.url,
                client_id="app-svc",
                client_secret="app-svc-secret",
            )
            publisher = NatsConnection(nats.url, name="auth-svc")
            await publisher.start()
            transport = httpx.ASGITransport(app)
            async with (
                issuer.on_bus(JetStreamBus(publisher)),
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://api.test") as client,
            ):
                token = issuer.mint("somebody", "shipments:read")
                headers = {"Authorization": f"Bearer {token}"}
                await eventually(lambda: app.state.guard.status()["state"] == "FRESH")
                answer = await client.get("/reports", headers=headers)
                assert answer.json() == {"asked_by": "somebody"}
                assert (await client.get("/reports")).status_code == 401
                await issuer.revoke_token(token)
                await eventually(lambda: app.state.guard.status()["entries"]["tokens"] == 1)
                assert (await client.get("/reports", headers=headers)).status_code == 401
            await publisher.close()


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


@pytest.mark.parametrize("name", ["protected_api", "facts"])
def test_page_shows_the_example(name: str) -> None:
    pages = "".join(page.read_text() for page in (EXAMPLES.parent / "how-to").glob("*.md"))
    assert f'"examples/{name}.py"' in pages
