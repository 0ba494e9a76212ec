"""Compiled statements mean what SQLAlchemy's own execution means."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, Table, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from lib_one.sql import Database, Prepared, UtcDateTime
from lib_one.sql.outbox import outbox_table as outbox

WHEN = datetime(2026, 11, 20, 14, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
ROW = {
    "event_id": "e1",
    "urgent": True,
    "aggregate": "a",
    "subject": "s",
    "headers": "{}",
    "body": b"\x00\xff",
    "recorded_at": WHEN,
}
insert = Prepared(outbox.insert())
by_event = Prepared(
    select(outbox.c.urgent, outbox.c.body, outbox.c.recorded_at, outbox.c.sent_at).where(
        outbox.c.event_id == bindparam("id"), outbox.c.subject == "s"
    )
)


async def test_values_travel_both_ways_in_their_types(database: Database) -> None:
    assert await database.work(lambda c: insert.run(c, **ROW)) == 1
    row = database.lookup(lambda c: by_event.first(c, id="e1"))
    assert row == (True, b"\x00\xff", WHEN, None)
    assert row.recorded_at.tzinfo is UTC
    assert database.lookup(lambda c: by_event.first(c, id="e2")) is None
    assert database.lookup(lambda c: c.execute(select(outbox.c.recorded_at)).scalar()) == WHEN


async def test_many_rows_go_at_once_and_are_counted(database: Database) -> None:
    rows = [ROW | {"event_id": f"e{n}"} for n in range(10)]
    await database.work(lambda c: insert.run_many(c, rows))
    assert await database.work(lambda c: insert.run_many(c, [])) == 0
    everything = Prepared(select(outbox.c.event_id).order_by(outbox.c.position))
    assert [row[0] for row in database.lookup(everything.all)] == [f"e{n}" for n in range(10)]
    mark = Prepared(update(outbox).where(outbox.c.event_id == bindparam("id")).values(sent_at=bindparam("t")))
    assert await database.work(lambda c: mark.run(c, id="e3", t=WHEN)) == 1
    assert database.lookup(lambda c: by_event.first(c, id="e3")).sent_at == WHEN
    assert await database.work(lambda c: Prepared(delete(outbox)).run(c)) == 10


async def test_errors_are_those_of_sqlalchemy(database: Database, items: Table) -> None:
    add = Prepared(items.insert())
    await database.work(lambda c: add.run(c, name="a", number=1))
    with pytest.raises(IntegrityError):
        await database.work(lambda c: add.run(c, name="a", number=1))
    with pytest.raises(IntegrityError):
        await database.work(lambda c: add.run_many(c, [{"name": "b", "number": 1}, {"name": "a", "number": 1}]))
    assert database.lookup(lambda c: c.execute(select(items.c.name)).scalars().all()) == ["a"]


async def test_what_cannot_be_compiled_once_is_refused(database: Database, items: Table) -> None:
    listed = Prepared(select(items.c.name).where(items.c.name.in_(["a", "b"])))

    def run(connection: Connection) -> object:
        return listed.all(connection)

    with pytest.raises(ValueError, match="lists of values"):
        database.lookup(run)


def test_a_time_without_a_zone_is_refused() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        with pytest.raises(ValueError, match="time zone"):
            UtcDateTime().process_bind_param(datetime(2026, 1, 1), dialect)  # noqa: DTZ001
        assert UtcDateTime().process_bind_param(None, dialect) is None
