"""Statements for the hot path: written in SQLAlchemy Core, compiled once, run by the driver alone.

`connection.execute` costs about 12 µs an insert and 15 µs a read by key, of which SQLite's part is 2: the rest is
SQLAlchemy's, for things that a point read does not need. Types still work in both directions, and errors are
SQLAlchemy's.

    _insert = Prepared(tokens.insert())
    _by_id = Prepared(select(tokens.c.subject, tokens.c.expires_at).where(tokens.c.id == bindparam("id")))

    _insert.run(connection, id=token_id, subject=subject, expires_at=expires_at)
    row = _by_id.first(connection, id=token_id)  # (subject, expires_at) or None
    row.subject  # by name as well
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from sqlalchemy import Connection, Insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

type _Process = Callable[[Any], Any]
type _Make = Callable[[Iterable[Any]], Any]


class _Compiled:
    """A statement in the words of one driver."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, names: Iterable[str]) -> None:
        compiled = cast("SQLCompiler", statement.compile(dialect=dialect, column_keys=sorted(names)))
        if compiled.post_compile_params or compiled.insert_prefetch or compiled.update_prefetch:
            raise ValueError("a prepared statement has no lists of values and no defaults made in Python")
        self.sql = str(compiled)
        self.names = frozenset(compiled.binds)
        self._fixed = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._processors = cast("dict[str, _Process]", compiled._bind_processors)
        self._order = compiled.positiontup
        columns = [column.keyname for column in compiled._result_columns]
        # mypy reads the names of a named tuple from the text, and there they are not.
        self._make: _Make = namedtuple("Row", columns, rename=True)._make if columns else tuple  # type: ignore[attr-defined]
        self._results = [
            (index, process)
            for index, column in enumerate(compiled._result_columns)
            if (process := column.type._cached_result_processor(dialect, None)) is not None
        ]

    def bind(self, values: Mapping[str, Any]) -> Any:
        """Parameters as the driver wants them: in order for SQLite, by name for PostgreSQL."""
        if self._fixed:
            values = self._fixed | dict(values)
        processors = self._processors
        if self._order is None:
            return {name: processors[name](value) if name in processors else value for name, value in values.items()}
        return [processors[name](values[name]) if name in processors else values[name] for name in self._order]

    def row(self, values: Iterable[Any]) -> Any:
        """What the driver read, in Python's types, as a named tuple."""
        if self._results:
            values = list(values)
            for index, process in self._results:
                values[index] = process(values[index])
        return self._make(values)


class Prepared:
    """One Core statement, compiled at its first use on each engine.

    Every use must name the same parameters. No `IN` with a list, no defaults that SQLAlchemy computes in Python, no
    primary key handed back by an insert: such statements go through `connection.execute`.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement.inline() if isinstance(statement, Insert) else statement
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, **values: Any) -> int:
        """Execute; returns the number of rows that were changed.

        Raises:
            sqlalchemy.exc.DBAPIError: what the driver says, as its SQLAlchemy subclass (`IntegrityError`, …).
        """
        return int(self._execute(connection, values)[1].rowcount)

    def run_many(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Execute once for each of `rows`; returns the number of rows that were changed."""
        rows = list(rows)
        if not rows:
            return 0
        compiled = self._for(connection, rows[0])
        cursor = _cursor(connection)
        parameters = [compiled.bind(row) for row in rows]
        try:
            cursor.executemany(compiled.sql, parameters)
        except Exception as error:
            connection._handle_dbapi_exception(error, compiled.sql, None, cursor, None)
        return int(cursor.rowcount)

    def first(self, connection: Connection, **values: Any) -> Any:
        """The first row as a named tuple, or `None`."""
        compiled, cursor = self._execute(connection, values)
        row = cursor.fetchone()
        cursor.close()
        return None if row is None else compiled.row(row)

    def all(self, connection: Connection, **values: Any) -> list[Any]:
        """Every row as a named tuple."""
        compiled, cursor = self._execute(connection, values)
        return [compiled.row(row) for row in cursor.fetchall()]

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> tuple[_Compiled, Any]:
        compiled = self._for(connection, values)
        cursor = _cursor(connection)
        parameters = compiled.bind(values)
        try:
            cursor.execute(compiled.sql, parameters)
        except Exception as error:
            connection._handle_dbapi_exception(error, compiled.sql, None, cursor, None)
        return compiled, cursor

    def _for(self, connection: Connection, values: Mapping[str, Any]) -> _Compiled:
        name = connection.dialect.name
        compiled = self._compiled.get(name)
        if compiled is None:
            compiled = self._compiled[name] = _Compiled(self._statement, connection.dialect, values)
        return compiled


def _cursor(connection: Connection) -> Any:
    pooled: Any = connection.connection
    return pooled.dbapi_connection.cursor()  # the pool's own `cursor` costs three times as much
