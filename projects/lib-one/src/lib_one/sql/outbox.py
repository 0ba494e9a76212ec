"""The outbox: facts are written beside the state that they tell of, in the same transaction."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
)

from lib_one.event import Contract, Event, Message, Now, event, new_id
from lib_one.sql.column_types import UtcDateTime
from lib_one.sql.database import UNIT_OPTION, Unit
from lib_one.sql.prepared import Prepared

URGENT_SUBJECTS = "auth.rev."
"""Facts under this prefix take the urgent lane: a revocation never waits behind ordinary news."""

metadata = MetaData()

outbox_table = Table(
    "outbox",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("aggregate", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("refused_at", UtcDateTime),
    Column("error", Text),
    sqlite_autoincrement=True,
)
_waiting = outbox_table.c.sent_at.is_(None) & outbox_table.c.refused_at.is_(None)
Index("outbox_waiting", outbox_table.c.urgent, outbox_table.c.position, sqlite_where=_waiting)
Index("outbox_revocations", outbox_table.c.recorded_at, sqlite_where=outbox_table.c.urgent.is_(True))

bookmark_table = Table(
    "outbox_bookmark",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("created", Text, nullable=False),
    Column("last", BigInteger, nullable=False),
)
"""Of each stream that the relay fills: which one it is, and up to where that was acknowledged."""

audience_table = Table("outbox_audience", metadata, Column("version", Text, primary_key=True))
"""One row, another one after each change of what the audience wants, by whichever process. None: no audience ever."""

_version = select(audience_table.c.version)
_insert = Prepared(insert(outbox_table))
_insert_and_look = Prepared(insert(outbox_table).returning(_version.scalar_subquery().label("version")))
_look = Prepared(_version)
_forget = Prepared(delete(audience_table))
_remember = Prepared(insert(audience_table))
_encode = msgspec.json.Encoder().encode

type Listener = Callable[[Connection, Event], None]
"""What follows from a fact in the same database. Like a unit of work, it has no effect but on its connection."""


class Audience(Protocol):
    """Whoever listens to many kinds of facts, to others at other times, and to all of one record at once."""

    def hear(self, connection: Connection, version: str, facts: Sequence[tuple[Event, Message]]) -> None:
        """All facts of a record, in order, wanted or not: it must be cheap.

        `version` is that of the audience in this transaction (see `change_audience`). Like a unit of work, this has no
        effect but on its connection.
        """


def audience_version(connection: Connection) -> str:
    """The version of the audience as this transaction sees it; empty: nobody ever wanted anything."""
    row = _look.first(connection)
    return "" if row is None else str(row.version)


def change_audience(connection: Connection) -> None:
    """What the audience wants is another thing from this transaction on, for every process of the service."""
    _forget.run(connection)
    _remember.run(connection, version=new_id())
    unit = connection.get_execution_options().get(UNIT_OPTION)
    if isinstance(unit, Unit):
        unit.audience = None


class Outbox:
    """Where a unit of work records what happened. The relay publishes it after the commit."""

    def __init__(self, *, source: str, now: Now) -> None:
        self._source = source
        self._now = now
        self._listeners: dict[type[Contract], list[Listener]] = {}
        self.audience: Audience | None = None
        """Hears what is recorded, in the unit of work that records it."""

    def listen(self, kind: type[Contract], listener: Listener) -> None:
        """Call `listener` for each fact of this kind, in the unit of work that records it: both are, or neither is."""
        self._listeners.setdefault(kind, []).append(listener)

    def record(self, connection: Connection, *facts: Contract) -> None:
        """Write `facts` in the transaction of `connection`, in this order.

        Raises:
            SubjectError: an id in a fact cannot be part of a subject; nothing was written.
        """
        rows = []
        heard = []
        told = []
        urgent = normal = False
        for fact in facts:
            recorded = event(fact, source=self._source, now=self._now)
            message = recorded.encode()
            is_urgent = message.subject.startswith(URGENT_SUBJECTS)
            urgent |= is_urgent
            normal |= not is_urgent
            if type(fact) in self._listeners:
                heard.append(recorded)
            told.append((recorded, message))
            rows.append(
                {
                    "event_id": recorded.id,
                    "urgent": is_urgent,
                    "aggregate": message.headers["ce-subject"],
                    "subject": message.subject,
                    "headers": _encode(message.headers).decode(),
                    "body": message.body,
                    "recorded_at": recorded.time,
                }
            )
        if not rows:
            return
        unit = connection.get_execution_options().get(UNIT_OPTION)
        if not isinstance(unit, Unit):
            unit = Unit()
        unit.urgent |= urgent
        unit.normal |= normal
        if len(rows) > 1:
            _insert.run_many(connection, rows)
        elif self.audience is None or unit.audience is not None:
            _insert.run(connection, **rows[0])
        else:  # a statement of its own would be a journey more to PostgreSQL
            unit.audience = _insert_and_look.first(connection, **rows[0]).version or ""
        if self.audience is not None:
            if unit.audience is None:
                unit.audience = audience_version(connection)
            self.audience.hear(connection, unit.audience, told)
        for recorded in heard:
            for listener in self._listeners[type(recorded.data)]:
                listener(connection, recorded)
