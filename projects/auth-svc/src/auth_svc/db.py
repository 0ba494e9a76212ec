"""Where auth-svc keeps its facts: the tables' registry, the column types, and the ledger that every slice gets.

A slice declares its tables in its `store` with `Table(..., metadata, ...)` and writes plain functions of a
`Connection`; it runs them by `ledger.database.work` (to write) or `.read`/`.lookup` (to ask), and records what
happened by `ledger.outbox.record(connection, fact)` in the same function.
"""

from dataclasses import dataclass

from sqlalchemy import MetaData
from sqlalchemy.engine import Connection

from lib_one.event import Now
from lib_one.sql import Database, Outbox
from lib_one.sql import UtcDateTime as Instant

__all__ = ["Connection", "Instant", "Ledger", "metadata"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of auth-svc. The migrations make them; a test holds the two together."""


@dataclass(frozen=True)
class Ledger:
    """The database, the outbox beside it, and the clock: what a slice needs to make something have happened."""

    database: Database
    outbox: Outbox
    now: Now
