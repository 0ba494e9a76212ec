"""What has expired goes, a bounded number of rows at a time, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Table, func, select

from lib_one.sql import Database, Inbox, Prepared, Sweep, sweep_all
from lib_one.sql.inbox import inbox_table as inbox
from lib_one.sql.outbox import outbox_table as outbox
from lib_one.testing import Clock

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OLD = NOW - timedelta(seconds=1)


async def test_the_oldest_go_first_and_never_more_than_the_limit_while_what_is_live_stays(database: Database) -> None:
    fact = {"urgent": False, "aggregate": "a", "subject": "s", "headers": "{}", "body": b""}
    facts = [fact | {"event_id": f"e{n}", "recorded_at": OLD - timedelta(n) if n < 12 else NOW} for n in range(15)]
    seen = [{"consumer": f"c{n % 2}", "event_id": f"e{n}", "received_at": OLD if n < 8 else NOW} for n in range(10)]
    await database.work(lambda c: Prepared(outbox.insert()).run_many(c, facts))
    await database.work(lambda c: Prepared(inbox.insert()).run_many(c, seen))
    sweep = Sweep(outbox.c.recorded_at, inbox.c.received_at)

    def left() -> tuple[int, int]:
        return database.lookup(lambda c: (_count(c, outbox), _count(c, inbox)))

    assert await database.work(lambda c: sweep.run(c, before=NOW, limit=5)) == 5
    assert left() == (10, 10)
    oldest = database.lookup(lambda c: c.execute(select(func.min(outbox.c.recorded_at))).scalar())
    assert oldest == OLD - timedelta(6)
    assert await database.work(lambda c: sweep.run(c, before=NOW, limit=10)) == 10
    assert left() == (3, 7)
    assert await database.work(lambda c: sweep.run(c, before=NOW, limit=10)) == 5
    assert left() == (3, 2)
    assert await database.work(lambda c: sweep.run(c, before=NOW, limit=10)) == 0


async def test_an_inbox_of_months_is_forgotten_in_units_of_work_between_which_others_have_theirs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    seen = [{"consumer": "c", "event_id": f"e{n}", "received_at": clock()} for n in range(1200)]
    await database.work(lambda c: Prepared(inbox.insert()).run_many(c, seen))
    clock.advance(timedelta(days=60))
    forgotten: list[int] = []
    work = database.work

    async def counted(unit: Callable[[Connection], int]) -> int:
        forgotten.append(await work(unit))
        return forgotten[-1]

    monkeypatch.setattr(database, "work", counted)
    await sweep_all(database, Inbox("c", now=clock).prune)
    assert forgotten == [500, 500, 200]
    assert database.lookup(lambda c: _count(c, inbox)) == 0


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
