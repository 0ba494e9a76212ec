"""The table of who knows of which sign-in."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, ColumnElement, String, Table, Text, select, update

from auth_svc.db import Connection, Instant, metadata
from lib_one.sql import InsertOnce, Sweep

session_clients = Table(
    "session_clients",
    metadata,
    Column("session_id", String(64), primary_key=True),
    Column("client_id", Text, primary_key=True),
    Column("user_id", String(36), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("ended_at", Instant, nullable=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

_add = InsertOnce(session_clients)


class Party(msgspec.Struct, frozen=True):
    """A client that knows of a sign-in."""

    session_id: str
    client_id: str
    subject: str
    """`sub` as this client knows it."""


_SWEEP = Sweep(session_clients.c.expires_at)


def add(connection: Connection, party: Party, *, user_id: str, expires_at: datetime) -> None:
    """Remember that a client knows of a sign-in, until `expires_at`."""
    key = {"session_id": party.session_id, "client_id": party.client_id}
    if not _add.run(connection, **key, user_id=user_id, subject=party.subject, ended_at=None, expires_at=expires_at):
        connection.execute(update(session_clients).where(_is(**key)).values(expires_at=expires_at))


def end_session(connection: Connection, session_id: str, *, now: datetime) -> list[Party]:
    """The sign-in is over: return who knows of it and was not told before."""
    return _end(connection, session_clients.c.session_id == session_id, now)


def end_sessions_of(connection: Connection, user_id: str, *, now: datetime) -> list[Party]:
    """Every sign-in of this person is over: return who knows of one and was not told before."""
    return _end(connection, session_clients.c.user_id == user_id, now)


def ended(connection: Connection, session_id: str) -> list[str]:
    """The clients that knew of a sign-in that is over."""
    statement = select(session_clients.c.client_id).where(
        session_clients.c.session_id == session_id, session_clients.c.ended_at.is_not(None)
    )
    return list(connection.execute(statement.order_by(session_clients.c.client_id)).scalars())


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what no client can have kept for so long, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)


def _is(session_id: str, client_id: str) -> ColumnElement[bool]:
    return (session_clients.c.session_id == session_id) & (session_clients.c.client_id == client_id)


def _end(connection: Connection, which: ColumnElement[bool], now: datetime) -> list[Party]:
    open_ = which & session_clients.c.ended_at.is_(None)
    columns = session_clients.c.session_id, session_clients.c.client_id, session_clients.c.subject
    found = [Party(*row) for row in connection.execute(select(*columns).where(open_).order_by(*columns[:2]))]
    if found:
        connection.execute(update(session_clients).where(open_).values(ended_at=now))
    return found
