"""A service of your own that tells facts and hears them: nothing lost, nothing twice."""

from functools import partial

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select

from lib_one.bus import Bus, Delivery, Subscription
from lib_one.event import Contract, Now, contract, subject_token
from lib_one.sql import Database, Inbox, Outbox

metadata = MetaData()
orders = Table("orders", metadata, Column("order_id", Text, primary_key=True), Column("item", Text, nullable=False))
parcels = Table("parcels", metadata, Column("parcel", Integer, primary_key=True), Column("order_id", Text))


@contract("order.placed.v1")
class OrderPlaced(Contract, frozen=True, kw_only=True):
    """Somebody ordered something."""

    order_id: str
    item: str

    def subject(self) -> str:
        return f"orders.{subject_token(self.order_id)}.placed"

    def aggregate(self) -> str:
        return self.order_id


async def place_order(database: Database, outbox: Outbox, order_id: str, item: str) -> None:
    """State and event are one transaction. When this returns, both are on disk; the relay does the rest."""

    def work(connection: Connection) -> None:
        connection.execute(insert(orders).values(order_id=order_id, item=item))
        outbox.record(connection, OrderPlaced(order_id=order_id, item=item))

    await database.work(work)


async def pack_parcels(database: Database, bus: Bus, now: Now) -> None:
    """Hear every order, and pack one parcel for each, however often the bus delivers it."""
    inbox = Inbox("warehouse__packing", now=now)

    def pack(connection: Connection, delivery: Delivery) -> None:
        fact = delivery.event.data
        if isinstance(fact, OrderPlaced) and inbox.first_time(connection, delivery.event.id):
            connection.execute(insert(parcels).values(order_id=fact.order_id))

    async def handle(delivery: Delivery) -> None:
        await database.work(partial(pack, delivery=delivery))

    await bus.consume(Subscription("ORDERS", "warehouse__packing", ("orders.>",)), handle)


async def packed(database: Database) -> list[str]:
    """The orders for which there is a parcel."""
    return await database.read(lambda connection: list(connection.scalars(select(parcels.c.order_id))))
