"""The table of revocations: each is kept until the last token that it can concern has expired."""

from datetime import datetime

from sqlalchemy import (
    Column,
    ColumnElement,
    String,
    Table,
    and_,
    bindparam,
    delete,
    literal_column,
    or_,
    select,
)

from auth_svc.db import Connection, Instant, metadata
from lib_one.sql import Prepared, Sweep

revocations = Table(
    "revocations",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("identifier", String(128), primary_key=True),
    Column("not_before", Instant, nullable=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

TOKEN, GRANT, SESSION, SUBJECT, CLIENT = "token", "grant", "session", "subject", "client"
_SWEEP = Sweep(revocations.c.expires_at)


def _named(kind: str, parameter: str) -> ColumnElement[bool]:
    # The kind stands in the text, so that there is nothing to bind for it; None for an identifier finds nothing.
    return and_(revocations.c.kind == literal_column(f"'{kind}'"), revocations.c.identifier == bindparam(parameter))


_AMONG = Prepared(
    select(revocations.c.not_before).where(
        or_(
            _named(TOKEN, "token_id"),
            _named(GRANT, "grant_id"),
            _named(SESSION, "session_id"),
            _named(SUBJECT, "subject"),
            _named(CLIENT, "client_id"),
        )
    )
)


def add(
    connection: Connection, kind: str, identifier: str, *, expires_at: datetime, not_before: datetime | None = None
) -> None:
    """Remember a revocation. It replaces one of the same thing, but takes nothing back: clocks differ."""
    same = and_(revocations.c.kind == kind, revocations.c.identifier == identifier)
    if not_before is not None:
        held = connection.execute(select(revocations.c.not_before, revocations.c.expires_at).where(same)).first()
        if held is not None and held.not_before > not_before:
            not_before, expires_at = held
    connection.execute(delete(revocations).where(same))
    connection.execute(
        revocations.insert().values(kind=kind, identifier=identifier, not_before=not_before, expires_at=expires_at)
    )


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what concerns no live token any more, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)


def is_revoked(
    connection: Connection,
    *,
    token_id: str,
    grant_id: str | None,
    session_id: str | None,
    subject: str,
    client_id: str,
    issued_at: int,
) -> bool:
    """Whether a token, or anything that it came from, was revoked.

    `issued_at` is `iat`, in whole seconds: a token of the very second of a "not before" counts as issued before it.
    """
    found = _AMONG.all(
        connection,
        token_id=token_id,
        grant_id=grant_id,
        session_id=session_id,
        subject=subject,
        client_id=client_id,
    )
    return any(not_before is None or issued_at <= not_before.timestamp() for (not_before,) in found)
