"""The table of deliveries that wait."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text, delete, select, update

from auth_svc.db import Connection, Instant, metadata
from auth_svc.deliveries.flow import Delivery

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("client_id", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=False, index=True),
    Column("give_up_at", Instant, nullable=False),
)


def add(connection: Connection, delivery: Delivery, *, now: datetime, give_up_at: datetime) -> None:
    """Keep a delivery; it is due at once."""
    connection.execute(
        deliveries.insert().values(
            **{name: getattr(delivery, name) for name in Delivery.__struct_fields__},
            next_attempt_at=now,
            give_up_at=give_up_at,
        )
    )


def due(
    connection: Connection, *, now: datetime, limit: int, not_these: Iterable[str], not_to: Iterable[str]
) -> list[Delivery]:
    """What is due, the oldest first, leaving out these deliveries and all to these clients."""
    columns = [deliveries.c[name] for name in Delivery.__struct_fields__]
    statement = (
        select(*columns)
        .where(
            deliveries.c.next_attempt_at <= now,
            deliveries.c.delivery_id.not_in(list(not_these)),
            deliveries.c.client_id.not_in(list(not_to)),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.delivery_id)
        .limit(limit)
    )
    return [
        Delivery(
            delivery_id=row.delivery_id,
            kind=row.kind,
            client_id=row.client_id,
            payload=bytes(row.payload),
            attempts=row.attempts,
        )
        for row in connection.execute(statement)
    ]


def postpone(connection: Connection, delivery_id: str, *, attempts: int, until: datetime) -> bool:
    """Try again at `until`; False if it is not before the end of the delivery's life, and nothing was changed."""
    statement = update(deliveries).where(deliveries.c.delivery_id == delivery_id, deliveries.c.give_up_at > until)
    return connection.execute(statement.values(attempts=attempts, next_attempt_at=until)).rowcount == 1


def remove(connection: Connection, delivery_id: str) -> bool:
    """Forget a delivery. Of several at once exactly one gets True."""
    return connection.execute(delete(deliveries).where(deliveries.c.delivery_id == delivery_id)).rowcount == 1
