"""The table of assertions that were used: each is good once."""

import hashlib
from datetime import datetime

from sqlalchemy import Column, LargeBinary, Table

from auth_svc.db import Connection, Instant, metadata
from lib_one.sql import InsertOnce, Sweep

used_grant_assertions = Table(
    "used_grant_assertions",
    metadata,
    Column("assertion_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

_consume = InsertOnce(used_grant_assertions)
_SWEEP = Sweep(used_grant_assertions.c.expires_at)


def consume(connection: Connection, *, issuer: str, jti: str, expires_at: datetime) -> bool:
    """Use an assertion up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    assertion_hash = hashlib.sha256(f"{issuer}\0{jti}".encode()).digest()
    return _consume.run(connection, assertion_hash=assertion_hash, expires_at=expires_at)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what would be refused for its age anyway, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)
