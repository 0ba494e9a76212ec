"""The unit of work, on both engines."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import Connection, Table, func, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lib_one import trace
from lib_one.contracts.auth import UserDisabled
from lib_one.contracts.revocation import SessionRevoked
from lib_one.event import utc_now
from lib_one.sql import Database, DatabaseClosedError, Outbox, WorkAbortedError, open_database
from lib_one.sql.outbox import outbox_table
from lib_one.testing import eventually

type Add = Callable[..., Callable[[Connection], None]]


def names(database: Database, items: Table) -> list[str]:
    return database.lookup(lambda c: list(c.execute(select(items.c.name).order_by(items.c.name)).scalars()))


async def test_work_returns_what_the_function_returns_after_the_commit(database: Database, items: Table) -> None:
    def insert(connection: Connection) -> str:
        connection.execute(items.insert(), {"name": "a", "number": 1})
        return "done"

    assert await database.work(insert) == "done"
    assert names(database, items) == ["a"]


async def test_a_function_that_raises_has_written_nothing(database: Database, items: Table, add: Add) -> None:
    def fail(connection: Connection) -> None:
        add("a")(connection)
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        await database.work(fail)
    assert names(database, items) == []


async def test_failing_neighbours_lose_and_repeat_nothing(database: Database, items: Table, add: Add) -> None:
    def fail(name: str) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            add(name)(connection)
            raise LookupError(name)

        return run

    jobs = [fail(f"bad{n:02}") if n % 3 == 0 else add(f"good{n:02}") for n in range(30)]
    results = await asyncio.gather(*(database.work(job) for job in jobs), return_exceptions=True)
    for number, result in enumerate(results):
        assert isinstance(result, LookupError) if number % 3 == 0 else result is None
    assert names(database, items) == [f"good{n:02}" for n in range(30) if n % 3]


async def test_a_broken_constraint_is_its_own_callers_error(database: Database, items: Table, add: Add) -> None:
    results = await asyncio.gather(*(database.work(add("same")) for _ in range(5)), return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, IntegrityError) for result in results) == 4
    assert names(database, items) == ["same"]


async def test_read_modify_write_loses_no_update(database: Database, items: Table, add: Add) -> None:
    await database.work(add("counter", 0))

    def increment(connection: Connection) -> None:
        number = connection.execute(select(items.c.number)).scalar_one()
        connection.execute(update(items).values(number=number + 1))

    await asyncio.gather(*(database.work(increment) for _ in range(12)))
    assert database.lookup(lambda c: c.execute(select(items.c.number)).scalar_one()) == 12


async def test_look_then_insert_sees_the_neighbour(database: Database, items: Table, add: Add) -> None:
    def insert_if_missing(connection: Connection) -> bool:
        if connection.execute(select(items.c.name).where(items.c.name == "one")).first() is not None:
            return False
        add("one")(connection)
        return True

    results = await asyncio.gather(*(database.work(insert_if_missing) for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]


async def test_a_compare_and_swap_is_won_once(database: Database, items: Table, add: Add) -> None:
    await database.work(add("code", 0))

    def consume(connection: Connection) -> bool:
        statement = update(items).where(items.c.name == "code", items.c.number == 0).values(number=1)
        return connection.execute(statement).rowcount == 1

    results = await asyncio.gather(*(database.work(consume) for _ in range(8)))
    assert sum(results) == 1


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, StopIteration, asyncio.CancelledError])
async def test_what_is_no_exception_reaches_the_caller_as_one(
    database: Database, items: Table, add: Add, raised: type[BaseException]
) -> None:
    def fail(connection: Connection) -> None:
        add("a")(connection)
        raise raised

    with pytest.raises(WorkAbortedError, match=raised.__name__):
        await database.work(fail)
    await database.work(add("b"))
    assert names(database, items) == ["b"]


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_a_function_may_not_end_its_transaction(database: Database, items: Table, add: Add, end: str) -> None:
    def fail(connection: Connection) -> None:
        add("a")(connection)
        getattr(connection, end)()

    with pytest.raises(WorkAbortedError):
        await database.work(fail)
    await database.work(add("b"))
    assert names(database, items) == ["b"]


async def test_a_savepoint_within_a_unit_of_work_is_undone_alone(database: Database, items: Table, add: Add) -> None:
    def run(connection: Connection) -> None:
        add("a")(connection)
        with suppress(IntegrityError), connection.begin_nested():
            add("b")(connection)
            add("a")(connection)
        add("c")(connection)

    await database.work(run)
    assert names(database, items) == ["a", "c"]


async def test_a_cancelled_waiter_harms_nobody(database: Database, items: Table, add: Add) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        add("slow")(connection)
        started.set()
        go_on.wait(5)

    first = asyncio.create_task(database.work(slow))
    await eventually(started.is_set)
    second = asyncio.create_task(database.work(add("second")))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    await second
    assert "second" in names(database, items)
    await database.work(add("third"))


async def test_close_finishes_what_is_queued(url: str, items: Table, add: Add) -> None:
    database = open_database(url)
    waiting = [asyncio.create_task(database.work(add(f"n{n}"))) for n in range(40)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*waiting)
    with pytest.raises(DatabaseClosedError):
        await database.work(add("late"))
    with pytest.raises(DatabaseClosedError):
        await database.read(add("late"))
    with pytest.raises(DatabaseClosedError):
        database.lookup(add("late"))
    await database.close()
    again = open_database(url)
    assert len(names(again, items)) == 40
    await again.close()


async def test_reads_cannot_write(database: Database, add: Add) -> None:
    with pytest.raises(DBAPIError):
        await database.read(add("a"))
    with pytest.raises(DBAPIError):
        database.lookup(add("a"))


async def test_lookup_sees_the_newest_commit_every_time(database: Database, items: Table, add: Add) -> None:
    for number in range(20):
        await database.work(add(f"{number:02}"))
        assert len(names(database, items)) == number + 1


async def test_a_read_is_one_snapshot(database: Database, items: Table, add: Add) -> None:
    first_done, go_on = threading.Event(), threading.Event()

    def count_twice(connection: Connection) -> tuple[int, int]:
        count = select(func.count()).select_from(items)
        first = connection.execute(count).scalar_one()
        first_done.set()
        go_on.wait(5)
        return first, connection.execute(count).scalar_one()

    reading = asyncio.create_task(database.read(count_twice))
    await eventually(first_done.is_set)
    await database.work(add("a"))
    go_on.set()
    assert await reading == (0, 0)


async def test_on_commit_is_called_for_recorded_events_only(database: Database, add: Add) -> None:
    outbox = Outbox(source="/test", now=utc_now)
    calls: list[str] = []
    database.on_commit(lambda: calls.append("any"))
    database.on_commit(lambda: calls.append("urgent"), urgent=True)
    database.on_commit(lambda: calls.append("normal"), urgent=False)
    await database.work(add("a"))
    await asyncio.sleep(0.01)
    assert calls == []
    await database.work(lambda c: outbox.record(c, UserDisabled(user_id="u")))
    await eventually(lambda: calls == ["any", "normal"])
    calls.clear()
    await database.work(lambda c: outbox.record(c, SessionRevoked(session_id="s", expires_at=utc_now())))
    await eventually(lambda: calls == ["any", "urgent"])


async def test_who_waits_for_a_revocation_has_a_turn_before_those_who_made_it(database: Database) -> None:
    outbox = Outbox(source="/test", now=utc_now)
    recorded = asyncio.Event()
    database.on_commit(recorded.set, urgent=True)
    order: list[str] = []

    async def relay() -> None:
        await recorded.wait()
        order.append("relay")

    async def revoke() -> None:
        await database.work(lambda c: outbox.record(c, SessionRevoked(session_id="s", expires_at=utc_now())))
        order.append("answer")

    await asyncio.gather(relay(), revoke())
    assert order == ["relay", "answer"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite"):
        open_database(url)


async def test_a_savepoint_that_is_left_open_undoes_its_unit_of_work(
    database: Database, items: Table, add: Add
) -> None:
    def fail(connection: Connection) -> None:
        add("a")(connection)
        connection.begin_nested()
        connection.begin_nested()
        add("b")(connection)

    with pytest.raises(WorkAbortedError, match="savepoint"):
        await database.work(fail)
    await database.work(add("c"))
    assert names(database, items) == ["c"]


async def test_what_a_unit_of_work_records_is_in_the_trace_of_who_asked_for_it(database: Database) -> None:
    """Many units share one thread and one transaction; each has its own trace."""
    outbox = Outbox(source="/test", now=utc_now)

    async def request(number: int) -> str:
        with trace.span("request", trace.SERVER) as work:
            await database.work(lambda connection: outbox.record(connection, UserDisabled(user_id=f"u{number}")))
        return str(work.context)

    def headers(connection: Connection) -> dict[str, str]:
        rows = connection.execute(select(outbox_table.c.aggregate, outbox_table.c.headers))
        return {row.aggregate: row.headers for row in rows}

    expected = await asyncio.gather(*(request(number) for number in range(20)))
    found = await database.read(headers)
    for number, context in enumerate(expected):
        assert f'"traceparent":"{context}"' in found[f"u{number}"]
