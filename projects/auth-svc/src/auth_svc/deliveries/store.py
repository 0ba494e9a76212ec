"""The table of deliveries that wait."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text, bindparam, delete, select, update

from auth_svc.db import Connection, Instant, metadata
from auth_svc.deliveries.flow import Delivery
from lib_one.courier import PARALLEL
from lib_one.sql import Prepared

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

# A statement that is compiled once has a place for each client that can be busy. In those that are over is nobody.
_PLACES = [f"busy_{number}" for number in range(PARALLEL)]
_NOBODY = ""
_due = Prepared(
    select(*(deliveries.c[name] for name in Delivery.__struct_fields__))
    .where(
        deliveries.c.next_attempt_at <= bindparam("now"),
        deliveries.c.client_id.not_in([bindparam(place) for place in _PLACES]),
    )
    .order_by(deliveries.c.next_attempt_at, deliveries.c.delivery_id)
    .limit(bindparam("most"))
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
    connection: Connection, *, now: datetime, limit: int, not_these: Collection[str], not_to: Collection[str]
) -> list[Delivery]:
    """What is due, the oldest first, leaving out these deliveries and all to these clients: at most `PARALLEL` each."""
    busy = dict.fromkeys(_PLACES, _NOBODY) | dict(zip(_PLACES, not_to, strict=False))
    rows = _due.all(connection, now=now, most=limit + len(not_these), **busy)
    return [Delivery(**row._asdict()) for row in rows if row.delivery_id not in not_these][:limit]


def postpone(connection: Connection, delivery_id: str, *, attempts: int, until: datetime) -> bool:
    """Try again at `until`; False if it is not before the end of the delivery's life, and nothing was changed."""
    statement = update(deliveries).where(deliveries.c.delivery_id == delivery_id, deliveries.c.give_up_at > until)
    return connection.execute(statement.values(attempts=attempts, next_attempt_at=until)).rowcount == 1


def remove(connection: Connection, delivery_id: str) -> bool:
    """Forget a delivery. Of several at once exactly one gets True."""
    return connection.execute(delete(deliveries).where(deliveries.c.delivery_id == delivery_id)).rowcount == 1
