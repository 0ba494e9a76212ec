"""The inbox: a fact that is delivered three times takes effect once."""

from datetime import timedelta

from sqlalchemy import Column, Connection, MetaData, Table, Text

from lib_one.bus import DEAD_LETTERS_KEPT
from lib_one.event import Now
from lib_one.sql.column_types import UtcDateTime
from lib_one.sql.insert_once import InsertOnce
from lib_one.sql.sweep import Sweep

metadata = MetaData()

inbox_table = Table(
    "inbox",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    sqlite_with_rowid=False,
)

KEPT = DEAD_LETTERS_KEPT + timedelta(days=7)
"""How long a delivery is remembered: for a week of copies, of which the last one may become a dead letter, and for as
long as that can be replayed. A row takes some 150 bytes."""

_RECEIVE = InsertOnce(inbox_table)
_SWEEP = Sweep(inbox_table.c.received_at)


class Inbox:
    """What one consumer has already handled. The handler asks in the transaction in which it does its work."""

    def __init__(self, consumer: str, *, now: Now) -> None:
        self._consumer = consumer
        self._now = now

    def first_time(self, connection: Connection, event_id: str) -> bool:
        """Remember this event. False: it was handled before, so do nothing and acknowledge."""
        return _RECEIVE.run(connection, consumer=self._consumer, event_id=event_id, received_at=self._now())

    def prune(self, connection: Connection, *, limit: int) -> int:
        """Forget up to `limit` deliveries that are too old, to whichever consumer; returns how many."""
        return _SWEEP.run(connection, before=self._now() - KEPT, limit=limit)
