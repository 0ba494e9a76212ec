"""A service of your own: it takes orders from who may place them, tells each as a fact, and packs what it hears of."""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import uvicorn
from alembic.migration import MigrationContext
from alembic.operations import Operations
from facts import metadata, pack_parcels, packed, place_order
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError

from lib_one import http
from lib_one.event import utc_now
from lib_one.nats import JetStreamBus, NatsConnection, Presence, Stream
from lib_one.sql import Connection, Outbox, Relay, create_inbox, create_outbox, open_database
from lib_two.fastapi import install, require
from lib_two.guard import Guard
from lib_two.revocation import RevocationView

ORDERS = Stream("ORDERS", ("shop",), ("orders.>",), max_age=timedelta(days=30))
"""Where the facts lie: made on the bus when the service first connects."""


class Order(BaseModel):
    """What a caller sends. An id becomes part of a subject: letters, digits, `-` and `_`."""

    order_id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
    item: str


def make_tables(connection: Connection) -> None:
    """The tables of the service, of its outbox and of its inbox; in a service that lives on, migrations do this."""
    metadata.create_all(connection)
    if not inspect(connection).has_table("inbox"):
        operations = Operations(MigrationContext.configure(connection))
        create_outbox(operations)
        create_inbox(operations)


def create_app(*, issuer: str, resource: str, nats_url: str, nkey_seed: str, client_secret: str, data: Path) -> FastAPI:
    """`resource` is this service's own address: only tokens that were issued for it are let in."""
    database = open_database(f"sqlite:///{data / 'shop.db'}")
    outbox = Outbox(source="/shop", now=utc_now)
    connection = NatsConnection(nats_url, name="operator", nkey_seed=nkey_seed)
    bus = JetStreamBus(connection, streams=(ORDERS,))
    relay = Relay(database, bus, now=utc_now)
    view = RevocationView()
    client = http.client(timeout=3.0)
    guard = Guard(
        issuer=issuer, audience=resource, view=view, http=client, client_id="shop", client_secret=client_secret
    )
    presence = Presence(connection, name="shop", version="1.0.0", stats=lambda: {"guard": guard.status()})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await database.work(make_tables)
        await connection.start()
        jobs = (view.run(connection), relay.run(), pack_parcels(database, bus, utc_now), presence.run())
        tasks = [asyncio.create_task(job) for job in jobs]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connection.close()
        await client.aclose()
        await database.close()

    app = FastAPI(title="Shop", lifespan=lifespan)
    install(app, guard, resource=resource, issuer=issuer, scopes=("orders:place", "orders:read"))

    @app.post("/orders", status_code=201, dependencies=[Depends(require("orders:place"))])
    async def place(order: Order) -> Order:
        try:
            await place_order(database, outbox, order.order_id, order.item)
        except IntegrityError:
            raise HTTPException(409, "There is an order with this id.") from None
        return order

    @app.get("/parcels", dependencies=[Depends(require("orders:read"))])
    async def parcels() -> list[str]:
        return await packed(database)

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", default="http://127.0.0.1:8400")
    parser.add_argument("--nats", default="nats://127.0.0.1:8402")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--data", type=Path, default=Path(".data"), help="Where the keys and secrets lie.")
    options = parser.parse_args()
    uvicorn.run(
        create_app(
            issuer=options.issuer,
            resource=f"http://127.0.0.1:{options.port}",
            nats_url=options.nats,
            nkey_seed=(options.data / "nats" / "operator.nk").read_text().strip(),
            client_secret=(options.data / "secrets" / "shop").read_text().strip(),
            data=options.data,
        ),
        port=options.port,
        log_level="warning",
    )
