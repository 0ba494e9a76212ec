"""Sweeping: rows whose time has passed are deleted in bounded batches, so that nobody waits behind a great many."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy import Column, Connection, bindparam, delete, select, tuple_

from lib_one.sql.database import Database
from lib_one.sql.prepared import Prepared

ROWS: Final = 500
"""Rows that one unit of work deletes at most: some milliseconds, in which others wait."""
PAUSE: Final = 0.02
"""Seconds between two such units of work, which belong to the others."""


class Batch(Protocol):
    """Deletes some of what has expired."""

    def __call__(self, connection: Connection, *, limit: int) -> int:
        """Delete up to `limit` rows; return how many: fewer, if nothing is left."""
        ...


async def sweep_all(database: Database, batch: Batch) -> None:
    """Delete all that has expired, in as many units of work as that takes."""
    while True:
        if await database.work(partial(batch, limit=ROWS)) < ROWS:
            return
        await asyncio.sleep(PAUSE)


class Sweep:
    """Deletes what lies before a moment, by one column of each of some tables. The columns should be indexed.

    _sweep = Sweep(codes.c.expires_at, answered_requests.c.answered_at)

    def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
        return _sweep.run(connection, before=now - KEPT, limit=limit)
    """

    def __init__(self, *columns: Column[datetime]) -> None:
        self._statements = [_oldest(column) for column in columns]

    def run(self, connection: Connection, *, before: datetime, limit: int) -> int:
        """Delete the oldest rows, up to `limit` of all tables together; returns how many: fewer, if nothing is left.

        What other tables lose by `ON DELETE CASCADE` is not counted.
        """
        left = limit
        for statement in self._statements:
            if left:
                left -= statement.run(connection, before=before, most=left)
        return limit - left


def _oldest(column: Column[datetime]) -> Prepared:
    table = column.table
    key: list[Any] = list(table.primary_key)
    oldest = select(*key).where(column < bindparam("before")).order_by(column).limit(bindparam("most"))
    return Prepared(delete(table).where(tuple_(*key).in_(oldest) if len(key) > 1 else key[0].in_(oldest)))
