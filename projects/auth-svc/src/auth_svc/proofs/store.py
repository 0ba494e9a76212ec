"""The table of proofs that were shown: of each a hash, for as long as it could be shown again."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, Table, delete

from auth_svc.db import Connection, Instant, metadata
from lib_one.sql import InsertOnce

used_proofs = Table(
    "used_proofs",
    metadata,
    Column("proof_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)

_CONSUME = InsertOnce(used_proofs)


def consume(connection: Connection, proof_hash: bytes, *, expires_at: datetime) -> bool:
    """Use a proof up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    return _CONSUME.run(connection, proof_hash=proof_hash, expires_at=expires_at)


def forget_expired(connection: Connection, now: datetime) -> None:
    """Delete what is too old to be shown again."""
    connection.execute(delete(used_proofs).where(used_proofs.c.expires_at < now))
