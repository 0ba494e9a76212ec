"""The outbox: facts are written beside the state that they tell of, in the same transaction."""

from collections.abc import Callable, Container, Sequence
from typing import Protocol

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Connection, Index, Integer, LargeBinary, MetaData, Table, Text

from lib_one.event import Contract, Event, Message, Now, event
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

_insert = Prepared(outbox_table.insert())
_encode = msgspec.json.Encoder().encode

type Listener = Callable[[Connection, Event], None]
"""What follows from a fact in the same database. Like a unit of work, it has no effect but on its connection."""


class Audience(Protocol):
    """Whoever listens to many kinds of facts, to others at other times, and to all of one record at once."""

    @property
    def wanted(self) -> Container[type[Contract]]:
        """The kinds that are wanted now. It is asked for each fact, so it must be cheap."""

    def hear(self, connection: Connection, facts: Sequence[tuple[Event, Message]]) -> None:
        """Facts that are wanted, in order. Like a unit of work, it has no effect but on its connection."""


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
        audience = self.audience
        urgent = normal = False
        for fact in facts:
            recorded = event(fact, source=self._source, now=self._now)
            message = recorded.encode()
            is_urgent = message.subject.startswith(URGENT_SUBJECTS)
            urgent |= is_urgent
            normal |= not is_urgent
            if type(fact) in self._listeners:
                heard.append(recorded)
            if audience is not None and type(fact) in audience.wanted:
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
        if len(rows) == 1:
            _insert.run(connection, **rows[0])
        else:
            _insert.run_many(connection, rows)
        unit = connection.get_execution_options().get(UNIT_OPTION)
        if isinstance(unit, Unit):
            unit.urgent |= urgent
            unit.normal |= normal
        if audience is not None and told:
            audience.hear(connection, told)
        for recorded in heard:
            for listener in self._listeners[type(recorded.data)]:
                listener(connection, recorded)
