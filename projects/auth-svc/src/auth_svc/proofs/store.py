"""The table of proofs that were shown: of each a hash, for as long as it could be shown again."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, Table

from auth_svc.db import Connection, Instant, metadata
from lib_one.sql import InsertOnce, Sweep

used_proofs = Table(
    "used_proofs",
    metadata,
    Column("proof_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

_CONSUME = InsertOnce(used_proofs)
_SWEEP = Sweep(used_proofs.c.expires_at)


def consume(connection: Connection, proof_hash: bytes, *, expires_at: datetime) -> bool:
    """Use a proof up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    return _CONSUME.run(connection, proof_hash=proof_hash, expires_at=expires_at)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what is too old to be shown again, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)
