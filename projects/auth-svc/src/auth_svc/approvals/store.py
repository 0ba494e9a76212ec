"""What the tables have in common whose rows wait for a person's decision and are polled meanwhile."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Integer, String, Table, Text, and_, bindparam, or_, select, update
from sqlalchemy.engine import Row

from auth_svc.approvals.flow import Approval
from auth_svc.db import Connection, Instant
from lib_one.sql import Sweep

KEPT = timedelta(days=1)
"""How long a row is remembered after its end, so that a late poll hears why."""


def decision_columns() -> list[Column[Any]]:
    """The columns of such a table, beside its key, what names its row to the client, and what is asked for."""
    return [
        Column("status", String(8), nullable=False),
        Column("interval_seconds", Integer, nullable=False),
        Column("polled_at", Instant, nullable=True),
        Column("expires_at", Instant, nullable=False, index=True),
        Column("decided_at", Instant, nullable=True),
        Column("session_id", String(36), nullable=True),
        Column("grant_id", String(36), nullable=True),
        Column("auth_time", Instant, nullable=True),
        Column("amr", Text, nullable=True),
        Column("granted_scope", Text, nullable=True),
        Column("used_at", Instant, nullable=True),
    ]


class Decisions:
    """The verbs of such a table; a row is named by its primary key, and has a client and, once decided, a person."""

    def __init__(self, table: Table) -> None:
        self._table = table
        (key,) = table.primary_key.columns
        this = update(table).where(key == bindparam("key"))
        self._decide = this.where(table.c.status == "pending", table.c.expires_at > bindparam("now"))
        self._polled = this.values(polled_at=bindparam("now"), interval_seconds=bindparam("seconds"))
        self._consume = this.where(table.c.status == "approved", table.c.used_at.is_(None)).values(
            used_at=bindparam("now")
        )
        self._sweep = Sweep(table.c.expires_at)

    def approve(self, connection: Connection, key: str, approval: Approval, *, now: datetime) -> bool:
        """The person said yes. False if it was decided already or has expired."""
        statement = self._decide.values(
            status="approved",
            decided_at=now,
            user_id=approval.user_id,
            session_id=approval.session_id,
            grant_id=approval.grant_id,
            auth_time=approval.auth_time,
            amr=" ".join(approval.amr),
            granted_scope=" ".join(approval.scope),
        )
        return connection.execute(statement, {"key": key, "now": now}).rowcount == 1

    def deny(self, connection: Connection, key: str, *, now: datetime) -> bool:
        """The person said no. False if it was decided already or has expired."""
        statement = self._decide.values(status="denied", decided_at=now)
        return connection.execute(statement, {"key": key, "now": now}).rowcount == 1

    def polled(self, connection: Connection, key: str, *, interval: timedelta, now: datetime) -> None:
        """Remember a poll, and how long to wait before the next."""
        connection.execute(self._polled, {"key": key, "now": now, "seconds": int(interval.total_seconds())})

    def consume(self, connection: Connection, key: str, *, now: datetime) -> bool:
        """Use an approved row up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
        return connection.execute(self._consume, {"key": key, "now": now}).rowcount == 1

    def withdraw(
        self, connection: Connection, *, user_id: str, client_id: str, since: datetime, now: datetime
    ) -> list[str]:
        """Use up the approvals of this person that this client has not fetched yet.

        Returns the ids of their grants, and of those that were fetched after `since`.
        """
        table = self._table.c
        theirs = and_(table.user_id == user_id, table.client_id == client_id, table.status == "approved")
        unfetched = table.used_at.is_(None)
        held = connection.execute(select(table.grant_id).where(theirs, or_(unfetched, table.used_at > since)))
        found = list(held.scalars())
        connection.execute(update(self._table).where(theirs, unfetched).values(used_at=now))
        return found

    def forget_expired(self, connection: Connection, now: datetime, limit: int) -> int:
        """Delete rows that no longer matter, up to so many; return how many."""
        return self._sweep.run(connection, before=now - KEPT, limit=limit)


def approval_of(row: Row[Any]) -> Approval | None:
    """The approval that a row holds, if its person said yes."""
    if row.grant_id is None:
        return None
    return Approval(
        user_id=row.user_id,
        session_id=row.session_id,
        grant_id=row.grant_id,
        auth_time=row.auth_time,
        amr=tuple(row.amr.split()),
        scope=tuple(row.granted_scope.split()),
    )
