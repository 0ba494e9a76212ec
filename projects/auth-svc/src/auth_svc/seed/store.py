"""Which content of the seed file was applied last."""

from datetime import datetime

from sqlalchemy import Column, LargeBinary, Table, select

from auth_svc.db import Connection, Instant, metadata

applied_seed = Table(
    "applied_seed",
    metadata,
    Column("seed_hash", LargeBinary(32), primary_key=True),
    Column("applied_at", Instant, nullable=False),
)


def applied(connection: Connection, seed_hash: bytes) -> bool:
    """Whether this content was applied last."""
    return connection.execute(select(applied_seed).where(applied_seed.c.seed_hash == seed_hash)).first() is not None


def remember(connection: Connection, seed_hash: bytes, *, now: datetime) -> None:
    """This content was applied."""
    connection.execute(applied_seed.delete())
    connection.execute(applied_seed.insert().values(seed_hash=seed_hash, applied_at=now))
