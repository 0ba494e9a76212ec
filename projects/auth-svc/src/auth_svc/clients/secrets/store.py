"""Table of the secrets of clients."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, bindparam, delete, or_, select, update

from auth_svc.db import Connection, Instant, metadata
from lib_one.event import new_id
from lib_one.sql import Sweep

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("secret_id", String(36), primary_key=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False, index=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=True, index=True),
)
_OF_CLIENT = select(client_secrets).where(client_secrets.c.client_id == bindparam("client_id"))


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret as it is kept."""

    secret_id: str
    secret_hash: bytes
    """Keyed hash, with the client's id in it, so that equal secrets do not look equal."""
    created_at: datetime
    expires_at: datetime | None
    """None: never."""

    def live(self, now: datetime) -> bool:
        """Whether it is good now."""
        return self.expires_at is None or now < self.expires_at


_SWEEP = Sweep(client_secrets.c.expires_at)


def of_client(connection: Connection, client_id: str) -> tuple[Secret, ...]:
    """Its secrets, the eldest first, expired ones included."""
    rows = connection.execute(_OF_CLIENT.order_by(client_secrets.c.created_at), {"client_id": client_id})
    return tuple(
        Secret(
            secret_id=row.secret_id,
            secret_hash=bytes(row.secret_hash),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in rows
    )


def replace_all(connection: Connection, client_id: str, hashed: bytes | None, *, now: datetime) -> None:
    """Let a client have this secret, without an end, and no other; None: none at all."""
    connection.execute(delete(client_secrets).where(client_secrets.c.client_id == client_id))
    if hashed is not None:
        add(connection, client_id, hashed, now=now, expires_at=None)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what is no longer good, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)


def end_by(connection: Connection, client_id: str, ends: datetime) -> None:
    """Let the secrets of a client end then, at the latest."""
    later = or_(client_secrets.c.expires_at.is_(None), client_secrets.c.expires_at > ends)
    theirs = client_secrets.c.client_id == client_id
    connection.execute(update(client_secrets).where(theirs, later).values(expires_at=ends))


def remove(connection: Connection, client_id: str, secret_id: str) -> bool:
    """Forget a secret; False if this client has none with this id."""
    fits = client_secrets.c.client_id == client_id, client_secrets.c.secret_id == secret_id
    return connection.execute(delete(client_secrets).where(*fits)).rowcount == 1


def add(connection: Connection, client_id: str, hashed: bytes, *, now: datetime, expires_at: datetime | None) -> str:
    """Keep a secret; returns its id."""
    secret_id = new_id()
    connection.execute(
        client_secrets.insert().values(
            secret_id=secret_id, client_id=client_id, secret_hash=hashed, created_at=now, expires_at=expires_at
        )
    )
    return secret_id
