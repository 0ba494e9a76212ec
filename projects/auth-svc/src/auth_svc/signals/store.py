"""The tables of streams, of whom a stream does not tell, of what waits in a stream, and of what others have told."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from auth_svc.db import Connection, Instant, metadata
from auth_svc.signals.events import PUSH, STREAM_UPDATED, SecurityEvent, delivered
from lib_one.sql import InsertOnce, Prepared, Sweep

type Status = Literal["enabled", "paused", "disabled"]

signal_streams = Table(
    "signal_streams",
    metadata,
    Column("stream_id", String(36), primary_key=True),
    Column("client_id", Text, nullable=False, unique=True),
    Column("description", Text, nullable=True),
    Column("events_requested", Text, nullable=True),
    Column("method", String(32), nullable=False),
    Column("endpoint_url", Text, nullable=True),
    Column("authorization_sealed", LargeBinary, nullable=True),
    Column("status", String(8), nullable=False),
    Column("reason", Text, nullable=True),
    Column("by_operator", Boolean, nullable=False),
    Column("verified_at", Instant, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant, nullable=True),
    Column("created_at", Instant, nullable=False),
)

signal_exceptions = Table(
    "signal_exceptions",
    metadata,
    Column("stream_id", String(36), primary_key=True),
    Column("user_id", String(36), primary_key=True),
)

signals = Table(
    "signals",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("signal_id", String(36), nullable=False),
    Column("stream_id", String(36), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("claims", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

received_signals = Table(
    "received_signals",
    metadata,
    Column("signal_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """How one receiver is told."""

    stream_id: str
    client_id: str
    """The receiver, and the audience of its tokens."""
    description: str | None = None
    events_requested: tuple[str, ...] | None = None
    method: str
    endpoint_url: str | None = None
    """Where signals are pushed to."""
    authorization_sealed: bytes | None = None
    """What `Authorization` says there."""
    status: Status = "enabled"
    reason: str | None = None
    by_operator: bool = False
    """The operator has stopped it, so the receiver cannot start it again."""
    attempts: int = 0
    """How many pushes have failed, one after the other."""

    @property
    def events_delivered(self) -> tuple[str, ...]:
        """What it tells of."""
        return delivered(self.events_requested)


class Signal(NamedTuple):
    """What waits to be taken."""

    signal_id: str
    claims: bytes


_create = InsertOnce(signal_streams)
_except = InsertOnce(signal_exceptions)
_take = InsertOnce(received_signals)
_SWEEP = Sweep(received_signals.c.expires_at)
_MAY_LEAVE: ColumnElement[bool] = or_(signal_streams.c.status == "enabled", signals.c.kind == STREAM_UPDATED)
"""A stream that is stopped still says that it is (SSF 1.0 section 8.1.5)."""
_DUE = Prepared(
    select(signal_streams.c.stream_id)
    .where(
        signal_streams.c.method == PUSH,
        or_(signal_streams.c.next_attempt_at.is_(None), signal_streams.c.next_attempt_at <= bindparam("now")),
        exists().where(signals.c.stream_id == signal_streams.c.stream_id, _MAY_LEAVE),
    )
    .order_by(signal_streams.c.next_attempt_at, signal_streams.c.stream_id)
    .limit(bindparam("most"))
)
_COLUMNS = [signal_streams.c[name] for name in Stream.__struct_fields__]
_requested = msgspec.json.Decoder(tuple[str, ...]).decode
_encode = msgspec.json.Encoder().encode


def create(connection: Connection, stream: Stream, *, now: datetime) -> bool:
    """Keep a new stream. Of several at once for one receiver exactly one gets True."""
    return _create.run(connection, **_values(stream), verified_at=None, next_attempt_at=None, created_at=now)


def change(connection: Connection, stream: Stream) -> None:
    """Replace what is kept of a stream; what waits in it is due at once."""
    statement = update(signal_streams).where(signal_streams.c.stream_id == stream.stream_id)
    connection.execute(statement.values(**_values(stream), next_attempt_at=None))


def find(connection: Connection, stream_id: str) -> Stream | None:
    """Find a stream by its id."""
    return _first(connection, signal_streams.c.stream_id == stream_id)


def of_client(connection: Connection, client_id: str) -> Stream | None:
    """The stream of a receiver."""
    return _first(connection, signal_streams.c.client_id == client_id)


def everything(connection: Connection) -> list[Stream]:
    """All streams by receiver."""
    return [_stream(row) for row in connection.execute(select(*_COLUMNS).order_by(signal_streams.c.client_id))]


def remove(connection: Connection, stream_id: str) -> None:
    """Forget a stream with all that belongs to it."""
    for table in (signals, signal_exceptions, signal_streams):
        connection.execute(delete(table).where(table.c.stream_id == stream_id))


def ask(connection: Connection, stream_id: str, *, now: datetime, interval: timedelta) -> bool:
    """A receiver asks for a verification; False if it asked less than `interval` ago."""
    last = signal_streams.c.verified_at
    rested = or_(last.is_(None), last <= now - interval)
    statement = update(signal_streams).where(signal_streams.c.stream_id == stream_id, rested)
    return connection.execute(statement.values(verified_at=now)).rowcount == 1


def leave_out(connection: Connection, stream_id: str, user_id: str) -> None:
    """Tell nothing about this person in this stream."""
    _except.run(connection, stream_id=stream_id, user_id=user_id)


def take_in(connection: Connection, stream_id: str, user_id: str) -> None:
    """End what `leave_out` began."""
    connection.execute(delete(signal_exceptions).where(_is_left_out(stream_id, user_id)))


def tells_about(connection: Connection, stream_id: str, user_id: str) -> bool:
    """Whether this stream tells about this person."""
    found = connection.execute(select(signal_exceptions.c.user_id).where(_is_left_out(stream_id, user_id)))
    return found.first() is None


# --- what waits ------------------------------------------------------------------------------------------------------


def append(connection: Connection, stream_id: str, event: SecurityEvent, *, now: datetime) -> None:
    """Let a signal wait behind the others."""
    (kind,) = event.events
    connection.execute(
        signals.insert().values(
            signal_id=event.jti, stream_id=stream_id, kind=kind, claims=_encode(event).decode(), recorded_at=now
        )
    )


def waiting(connection: Connection, stream_id: str, *, limit: int) -> list[Signal]:
    """The first that wait in a stream and may be sent now, in order."""
    statement = (
        select(signals.c.signal_id, signals.c.claims)
        .join(signal_streams, signal_streams.c.stream_id == signals.c.stream_id)
        .where(signals.c.stream_id == stream_id, _MAY_LEAVE)
        .order_by(signals.c.position)
        .limit(limit)
    )
    return [Signal(row.signal_id, row.claims.encode()) for row in connection.execute(statement)]


def depths(connection: Connection) -> dict[str, int]:
    """How many wait, by stream."""
    statement = select(signals.c.stream_id, func.count().label("waiting")).group_by(signals.c.stream_id)
    return {row.stream_id: row.waiting for row in connection.execute(statement)}


def due(connection: Connection, *, now: datetime, limit: int, not_these: Collection[str]) -> list[str]:
    """The streams in which something is to be pushed now, these left out."""
    rows = _DUE.all(connection, now=now, most=limit + len(not_these))
    return [row.stream_id for row in rows if row.stream_id not in not_these][:limit]


def taken(connection: Connection, stream_id: str, signal_ids: Iterable[str]) -> list[str]:
    """Forget what a receiver has taken; return which of them waited."""
    named = (signals.c.stream_id == stream_id) & signals.c.signal_id.in_(list(signal_ids))
    found = list(connection.execute(select(signals.c.signal_id).where(named)).scalars())
    if found:
        connection.execute(delete(signals).where(named))
    return found


def drop(connection: Connection, stream_id: str) -> None:
    """Forget all that waits in a stream."""
    connection.execute(delete(signals).where(signals.c.stream_id == stream_id))


def reached(connection: Connection, stream_id: str) -> None:
    """The receiver answers again."""
    statement = update(signal_streams).where(signal_streams.c.stream_id == stream_id)
    connection.execute(statement.values(attempts=0, next_attempt_at=None))


def postpone(connection: Connection, stream_id: str, *, attempts: int, until: datetime) -> None:
    """The receiver did not answer: try again at `until`."""
    statement = update(signal_streams).where(signal_streams.c.stream_id == stream_id)
    connection.execute(statement.values(attempts=attempts, next_attempt_at=until))


def clogged(connection: Connection, *, before: datetime) -> list[Stream]:
    """The streams in which something waits since `before`."""
    old = exists().where(signals.c.stream_id == signal_streams.c.stream_id, signals.c.recorded_at < before)
    return [_stream(row) for row in connection.execute(select(*_COLUMNS).where(old))]


# --- what others told ------------------------------------------------------------------------------------------------


def take(connection: Connection, signal_hash: bytes, *, expires_at: datetime) -> bool:
    """Take a signal of somebody else. Of several copies at once exactly one gets True."""
    return _take.run(connection, signal_hash=signal_hash, expires_at=expires_at)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what would be refused for its age anyway, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)


def _is_left_out(stream_id: str, user_id: str) -> ColumnElement[bool]:
    return (signal_exceptions.c.stream_id == stream_id) & (signal_exceptions.c.user_id == user_id)


def _first(connection: Connection, which: ColumnElement[bool]) -> Stream | None:
    row = connection.execute(select(*_COLUMNS).where(which)).first()
    return None if row is None else _stream(row)


def _stream(row: Row[Any]) -> Stream:
    known = row._asdict()
    if known["events_requested"] is not None:
        known["events_requested"] = _requested(known["events_requested"])
    return Stream(**known)


def _values(stream: Stream) -> dict[str, object]:
    values = msgspec.structs.asdict(stream)
    if stream.events_requested is not None:
        values["events_requested"] = _encode(stream.events_requested).decode()
    return values
