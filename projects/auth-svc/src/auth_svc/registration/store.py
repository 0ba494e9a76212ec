"""Tables of initial access tokens and of the registrations that clients look after themselves."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    select,
    update,
)

from auth_svc.db import Connection, Instant, metadata
from auth_svc.secret_key import token_hash
from lib_one.event import new_id
from lib_one.sql import Sweep

initial_access_tokens = Table(
    "initial_access_tokens",
    metadata,
    Column("token_id", String(36), primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("uses_left", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
registrations = Table(
    "registrations",
    metadata,
    Column("client_id", String(128), ForeignKey("clients.client_id"), primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False),
    Column("registered_at", Instant, nullable=False),
)

_USE = (
    update(initial_access_tokens)
    .where(
        initial_access_tokens.c.token_hash == bindparam("hash"),
        initial_access_tokens.c.uses_left > 0,
        initial_access_tokens.c.expires_at > bindparam("now"),
    )
    .values(uses_left=initial_access_tokens.c.uses_left - 1)
)


class Invitation(NamedTuple):
    """An initial access token as it is kept (RFC 7591 section 3)."""

    token_id: str
    uses_left: int
    expires_at: datetime


_SWEEP = Sweep(initial_access_tokens.c.expires_at)


def add_invitation(connection: Connection, token: str, *, uses: int, now: datetime, expires_at: datetime) -> None:
    """Keep an initial access token; of it only the hash."""
    connection.execute(
        initial_access_tokens.insert().values(
            token_id=new_id(), token_hash=token_hash(token), uses_left=uses, created_at=now, expires_at=expires_at
        )
    )


def invitations(connection: Connection) -> list[Invitation]:
    """Every initial access token, the eldest first."""
    table = initial_access_tokens
    rows = connection.execute(select(table).order_by(table.c.created_at))
    return [Invitation(row.token_id, row.uses_left, row.expires_at) for row in rows]


def remove_invitation(connection: Connection, token_id: str) -> bool:
    """Make an initial access token worthless; False if there is none with this id."""
    table = initial_access_tokens
    return connection.execute(delete(table).where(table.c.token_id == token_id)).rowcount == 1


def is_invited(connection: Connection, token: str, *, now: datetime) -> bool:
    """Whether an initial access token can still be used."""
    table = initial_access_tokens
    fits = table.c.token_hash == token_hash(token), table.c.uses_left > 0, table.c.expires_at > now
    return connection.execute(select(table.c.token_id).where(*fits)).first() is not None


def use_invitation(connection: Connection, token: str, *, now: datetime) -> bool:
    """Use an initial access token once. Of several at once only as many get True as it has uses."""
    return connection.execute(_USE, {"hash": token_hash(token), "now": now}).rowcount == 1


def keep(connection: Connection, client_id: str, *, token: str, now: datetime) -> None:
    """Let a client look after its registration with this token; of it only the hash is kept."""
    connection.execute(
        registrations.insert().values(client_id=client_id, token_hash=token_hash(token), registered_at=now)
    )


def registered_at(connection: Connection, client_id: str, *, token: str) -> datetime | None:
    """When this client registered, if the token is the one that it looks after its registration with."""
    table = registrations
    fits = table.c.client_id == client_id, table.c.token_hash == token_hash(token)
    found: datetime | None = connection.execute(select(table.c.registered_at).where(*fits)).scalar()
    return found


def forget(connection: Connection, client_id: str) -> None:
    """Nobody looks after this registration any more."""
    connection.execute(delete(registrations).where(registrations.c.client_id == client_id))


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete initial access tokens that are no longer good, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)
