"""The one-time insert: of several that claim the same key at once exactly one gets it, on SQLite and on PostgreSQL."""

from typing import Any

from sqlalchemy import Connection, Table

from lib_one.sql.prepared import Prepared


class InsertOnce:
    """Inserts a row unless its primary key, or another unique key, is taken.

    _claim = InsertOnce(used_assertions)

    if not _claim.run(connection, client_id=client_id, jti_hash=jti_hash, expires_at=expires_at):
        raise InvalidClient("used assertion")
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._statements: dict[str, Prepared] = {}

    def run(self, connection: Connection, **values: Any) -> bool:
        """Insert; False if the key is taken, and then nothing happened."""
        name = connection.dialect.name
        statement = self._statements.get(name)
        if statement is None:
            statement = self._statements[name] = Prepared(_insert(self._table, name))
        return statement.run(connection, **values) == 1


def _insert(table: Table, dialect: str) -> Any:
    # Only the dialect in use is loaded: PostgreSQL's costs an application on SQLite 10 ms and some megabytes.
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()
