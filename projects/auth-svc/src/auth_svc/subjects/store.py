"""The table of pairwise subjects: they cannot be computed backwards."""

from sqlalchemy import Column, ForeignKey, String, Table, bindparam, select

from auth_svc.db import Connection, metadata
from lib_one.sql import InsertOnce, Prepared

pairwise_subjects = Table(
    "pairwise_subjects",
    metadata,
    Column("subject", String(43), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False, index=True),
)

_remember = InsertOnce(pairwise_subjects)
_USER = Prepared(select(pairwise_subjects.c.user_id).where(pairwise_subjects.c.subject == bindparam("subject")))


def remember(connection: Connection, subject: str, *, user_id: str) -> None:
    """A client is told this subject for this person."""
    _remember.run(connection, subject=subject, user_id=user_id)


def user_of(connection: Connection, subject: str) -> str | None:
    """Whom a pairwise subject means, if any client was ever told it."""
    row = _USER.first(connection, subject=subject)
    return None if row is None else str(row[0])


def pairwise_of(connection: Connection, user_id: str) -> list[str]:
    """Every pairwise subject that some client knows this person by."""
    statement = select(pairwise_subjects.c.subject).where(pairwise_subjects.c.user_id == user_id)
    return list(connection.execute(statement.order_by(pairwise_subjects.c.subject)).scalars())
