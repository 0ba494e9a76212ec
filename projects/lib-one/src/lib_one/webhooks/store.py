"""The tables of webhooks: endpoints, what was sent or is to be sent to them, and each attempt."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from lib_one.sql import Prepared, Sweep
from lib_one.sql import UtcDateTime as Instant
from lib_one.sql.outbox import change_audience
from lib_one.webhooks.flow import PATIENCE, Attempt, Delivery, DeliveryState, Endpoint

if TYPE_CHECKING:
    from alembic.operations import Operations

metadata = MetaData()

endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", String(36), primary_key=True),
    Column("url", Text, nullable=False),
    Column("types", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("state", String(8), nullable=False),
    Column("reason", Text),
    Column("disabled_at", Instant),
    Column("failing_since", Instant),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("old_secret_sealed", LargeBinary),
    Column("old_secret_until", Instant),
    Column("created_at", Instant, nullable=False),
)

deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", String(36), primary_key=True),
    Column("endpoint_id", String(36), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(9), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tried_since", Instant),
    Column("recorded_at", Instant, nullable=False),
    Column("next_attempt_at", Instant),
    Column("settled_at", Instant, index=True),
    Index("ix_webhook_deliveries_endpoint", "endpoint_id", "delivery_id"),
)
_waiting = deliveries.c.next_attempt_at.is_not(None)
Index("ix_webhook_deliveries_due", deliveries.c.endpoint_id, deliveries.c.next_attempt_at, sqlite_where=_waiting)

attempts = Table(
    "webhook_attempts",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("delivery_id", String(36), nullable=False, index=True),
    Column("at", Instant, nullable=False, index=True),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("problem", Text),
)

_CARRIED = [deliveries.c[name] for name in Delivery.__struct_fields__]
_LOGGED = [column for column in deliveries.c if column.name != "body"]
_add = Prepared(insert(deliveries))
_attempted = Prepared(insert(attempts))
_due = Prepared(
    select(*_CARRIED)
    .where(
        deliveries.c.endpoint_id == bindparam("endpoint"),
        deliveries.c.next_attempt_at <= bindparam("now"),
        _waiting,
    )
    .order_by(deliveries.c.next_attempt_at, deliveries.c.delivery_id)
    .limit(bindparam("most"))
)
_SETTLED = Sweep(deliveries.c.settled_at)
_TRIED = Sweep(attempts.c.at)
_encode = msgspec.json.Encoder().encode
_decode_types = msgspec.json.Decoder(tuple[str, ...]).decode


class Logged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event for one endpoint, as an operator sees it. What is not so is left out."""

    delivery_id: str
    event_id: str
    """What the receiver gets as `webhook-id`."""
    type: str
    state: DeliveryState
    recorded_at: datetime
    attempts: list[Attempt]
    next_attempt_at: datetime | None = None
    settled_at: datetime | None = None
    """When it arrived, or was given up."""


def create_webhooks(op: "Operations | Any") -> None:
    """For a migration of a service that has webhooks: makes their tables. `op` is `alembic.op`."""
    metadata.create_all(op.get_bind())


# --- endpoints --------------------------------------------------------------------------------------------------------


def everything(connection: Connection) -> list[Endpoint]:
    """All endpoints, the oldest first."""
    return [_endpoint(row) for row in connection.execute(select(endpoints).order_by(endpoints.c.endpoint_id))]


def find(connection: Connection, endpoint_id: str) -> Endpoint | None:
    """The endpoint with this id."""
    row = connection.execute(select(endpoints).where(endpoints.c.endpoint_id == endpoint_id)).first()
    return None if row is None else _endpoint(row)


def add(connection: Connection, endpoint: Endpoint) -> None:
    """Keep a new endpoint."""
    connection.execute(insert(endpoints).values(**_values(endpoint)))
    change_audience(connection)


def change(connection: Connection, endpoint: Endpoint) -> None:
    """Replace all of an endpoint that can change."""
    named = endpoints.c.endpoint_id == endpoint.endpoint_id
    connection.execute(update(endpoints).where(named).values(**_values(endpoint)))
    change_audience(connection)


def fails_since(connection: Connection, endpoint_id: str, since: datetime | None) -> None:
    """Nothing arrives at an endpoint since then; None: the last attempt arrived."""
    named = endpoints.c.endpoint_id == endpoint_id
    connection.execute(update(endpoints).where(named).values(failing_since=since))


def remove(connection: Connection, endpoint_id: str) -> bool:
    """Forget an endpoint and all deliveries to it; their attempts are swept. False if there is none."""
    connection.execute(delete(deliveries).where(deliveries.c.endpoint_id == endpoint_id))
    change_audience(connection)
    return connection.execute(delete(endpoints).where(endpoints.c.endpoint_id == endpoint_id)).rowcount == 1


# --- deliveries -------------------------------------------------------------------------------------------------------


def post(connection: Connection, new: Sequence[Delivery], *, now: datetime) -> None:
    """Let events wait for their endpoints; they are due at once."""
    fixed = {"state": "waiting", "recorded_at": now, "next_attempt_at": now, "settled_at": None}
    _add.run_many(connection, [msgspec.structs.asdict(delivery) | fixed for delivery in new])


def due(
    connection: Connection, shares: Mapping[str, int], *, now: datetime, not_these: Collection[str]
) -> list[Delivery]:
    """What is due, the oldest first of each endpoint; `shares` says how many of which, these left out."""
    found = []
    for endpoint_id, share in shares.items():
        rows = _due.all(connection, endpoint=endpoint_id, now=now, most=share + len(not_these))
        waiting = [Delivery(**row._asdict()) for row in rows if row.delivery_id not in not_these]
        found += waiting[:share]
    return found


def record_attempt(connection: Connection, delivery_id: str, attempt: Attempt) -> None:
    """Write down what became of an attempt."""
    _attempted.run(
        connection,
        delivery_id=delivery_id,
        at=attempt.at,
        duration_ms=attempt.duration_ms,
        status=attempt.status,
        problem=attempt.problem,
    )


def settle(connection: Connection, delivery_id: str, state: DeliveryState, *, now: datetime) -> None:
    """It has arrived, or it is not tried again."""
    statement = update(deliveries).where(deliveries.c.delivery_id == delivery_id)
    connection.execute(statement.values(state=state, next_attempt_at=None, settled_at=now))


def postpone(
    connection: Connection, delivery_id: str, *, attempts: int, tried_since: datetime, until: datetime
) -> None:
    """It has not arrived: try again at `until`, unless somebody has ended it meanwhile."""
    statement = update(deliveries).where(deliveries.c.delivery_id == delivery_id, _waiting)
    connection.execute(statement.values(attempts=attempts, tried_since=tried_since, next_attempt_at=until))


def give_up(connection: Connection, endpoint_id: str, *, now: datetime) -> None:
    """What waits for an endpoint is not tried again."""
    statement = update(deliveries).where(deliveries.c.endpoint_id == endpoint_id, _waiting)
    connection.execute(statement.values(state="failed", next_attempt_at=None, settled_at=now))


def renew(
    connection: Connection,
    endpoint_id: str,
    *,
    now: datetime,
    delivery_id: str | None = None,
    since: datetime | None = None,
) -> int:
    """Let one delivery be made once more, or all that failed and were recorded since then; return how many."""
    statement = update(deliveries).where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.state != "waiting")
    if delivery_id is not None:
        statement = statement.where(deliveries.c.delivery_id == delivery_id)
    else:
        statement = statement.where(deliveries.c.state == "failed", deliveries.c.recorded_at >= since)
    fresh = {"state": "waiting", "attempts": 0, "tried_since": None, "next_attempt_at": now, "settled_at": None}
    return connection.execute(statement.values(**fresh)).rowcount


def waiting(connection: Connection) -> dict[str, int]:
    """How many wait, by endpoint."""
    statement = (
        select(deliveries.c.endpoint_id, func.count().label("waiting"))
        .where(_waiting)
        .group_by(deliveries.c.endpoint_id)
    )
    return {row.endpoint_id: row.waiting for row in connection.execute(statement)}


def log(
    connection: Connection,
    endpoint_id: str,
    *,
    state: DeliveryState | None = None,
    delivery_id: str | None = None,
    before: str | None = None,
    limit: int = 1,
) -> list[Logged]:
    """The deliveries to an endpoint with their attempts, the newest first."""
    statement = select(*_LOGGED).where(deliveries.c.endpoint_id == endpoint_id)
    if state is not None:
        statement = statement.where(deliveries.c.state == state)
    if delivery_id is not None:
        statement = statement.where(deliveries.c.delivery_id == delivery_id)
    if before is not None:
        statement = statement.where(deliveries.c.delivery_id < before)
    rows = connection.execute(statement.order_by(deliveries.c.delivery_id.desc()).limit(limit)).all()
    tried = _attempts(connection, [row.delivery_id for row in rows])
    return [
        Logged(
            delivery_id=row.delivery_id,
            event_id=row.event_id,
            type=row.type,
            state=row.state,
            recorded_at=row.recorded_at,
            next_attempt_at=row.next_attempt_at,
            settled_at=row.settled_at,
            attempts=tried.get(row.delivery_id, []),
        )
        for row in rows
    ]


def forget(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete the deliveries that ended before then with their attempts, up to so many; return how many.

    What waits stays, however old it is: it ends when it was tried for long enough. So an attempt was made at most that
    long before its delivery ended.
    """
    forgotten = _SETTLED.run(connection, before=before, limit=limit)
    return forgotten + _TRIED.run(connection, before=before - PATIENCE, limit=limit - forgotten)


def _attempts(connection: Connection, delivery_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    named = attempts.c.delivery_id.in_(list(delivery_ids))
    found: dict[str, list[Attempt]] = {}
    for row in connection.execute(select(attempts).where(named).order_by(attempts.c.position)):
        attempt = Attempt(at=row.at, duration_ms=row.duration_ms, status=row.status, problem=row.problem)
        found.setdefault(row.delivery_id, []).append(attempt)
    return found


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(**(row._asdict() | {"types": _decode_types(row.types)}))


def _values(endpoint: Endpoint) -> dict[str, Any]:
    return msgspec.structs.asdict(endpoint) | {"types": _encode(endpoint.types).decode()}
