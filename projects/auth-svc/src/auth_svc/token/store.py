"""The table of opaque access tokens. One that is a JWT is kept nowhere: it says itself what it means."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, String, Table, bindparam, select

from auth_svc.db import Connection, Instant, metadata
from auth_svc.secret_key import new_token, token_hash
from lib_one.sql import Prepared, Sweep

opaque_tokens = Table(
    "opaque_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("token_id", String(36), nullable=False),
    Column("claims", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)

_KEEP = Prepared(opaque_tokens.insert())
_FIND = Prepared(select(opaque_tokens.c.claims).where(opaque_tokens.c.token_hash == bindparam("token_hash")))
_SWEEP = Sweep(opaque_tokens.c.expires_at)


def keep(connection: Connection, claims: bytes, *, token_id: str, expires_at: datetime) -> str:
    """Make a token that stands for these claims (JSON) and return it; only its hash is kept."""
    token = new_token()
    _KEEP.run(connection, token_hash=token_hash(token), token_id=token_id, claims=claims, expires_at=expires_at)
    return token


def find(connection: Connection, token: str) -> bytes | None:
    """The claims that a token stands for, an expired one included until it is forgotten."""
    row = _FIND.first(connection, token_hash=token_hash(token))
    return None if row is None else bytes(row[0])


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete tokens that have expired, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)
