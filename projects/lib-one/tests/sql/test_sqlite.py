"""What is SQLite's alone: one commit for many, and what happens when the writer is in trouble."""

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, select, text
from sqlalchemy.exc import IntegrityError

from lib_one.sql import Database, DatabaseUnavailableError, open_database
from lib_one.sql import sqlite as sqlite_module
from lib_one.sql.sqlite import SqliteDatabase

type Add = Callable[..., Callable[[Connection], None]]


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[SqliteDatabase]:
    database = open_database(sqlite_url)
    assert isinstance(database, SqliteDatabase)
    yield database
    await database.close()


async def test_those_who_ask_in_one_turn_of_the_event_loop_share_one_commit(
    sqlite_database: SqliteDatabase, add: Add
) -> None:
    before = sqlite_database.commits
    await asyncio.gather(*(sqlite_database.work(add(f"n{n}")) for n in range(500)))
    assert sqlite_database.commits - before == 1


async def test_work_that_was_given_before_the_end_is_done(sqlite_url: str, add: Add) -> None:
    database = open_database(sqlite_url)
    given = asyncio.ensure_future(database.work(add("last")))
    await asyncio.sleep(0)
    await database.close()
    await given


async def test_commits_are_durable_by_setting(sqlite_database: SqliteDatabase) -> None:
    pragmas = await sqlite_database.work(
        lambda c: [c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    )
    assert pragmas == ["wal", 2]


async def test_a_function_that_raised_before_it_wrote_costs_its_neighbours_nothing(
    sqlite_database: SqliteDatabase, add: Add
) -> None:
    runs = 0

    def counted(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        add(f"n{runs}")(connection)

    def refuse(_: Connection) -> None:
        raise LookupError

    jobs = [sqlite_database.work(refuse if n % 2 else counted) for n in range(20)]
    await asyncio.gather(*jobs, return_exceptions=True)
    assert runs == 10


async def test_a_rule_that_is_checked_at_the_commit_fails_its_breaker_alone(
    sqlite_database: SqliteDatabase, items: Table, add: Add
) -> None:
    with closing(sqlite3.connect(sqlite_database.file)) as raw:
        raw.execute("CREATE TABLE parts (item TEXT REFERENCES items (name) DEFERRABLE INITIALLY DEFERRED)")
    breaker = lambda c: c.execute(text("INSERT INTO parts VALUES ('nobody')")) and None  # noqa: E731
    results = await asyncio.gather(
        *(sqlite_database.work(job) for job in (add("a"), breaker, add("b"))), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], IntegrityError)
    assert results[2] is None
    assert sqlite_database.lookup(lambda c: c.execute(select(items.c.name)).scalars().all()) == ["a", "b"]
    assert sqlite_database.lookup(lambda c: c.execute(text("SELECT * FROM parts")).all()) == []


async def test_a_file_that_another_process_holds_is_a_clear_error_and_no_hang(
    tmp_path: Path, create_tables: Callable[[str], None], add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "BUSY_TIMEOUT", 0.05)
    url = f"sqlite:///{tmp_path / 'busy.db'}"
    create_tables(url)
    database = open_database(url)
    with closing(sqlite3.connect(tmp_path / "busy.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(database.work(add(f"n{n}")) for n in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [DatabaseUnavailableError] * 3
        other.execute("ROLLBACK")
    await database.work(add("after"))
    await database.close()


def test_a_file_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(DatabaseUnavailableError, match=r"folder\.db"):
        open_database(f"sqlite:///{tmp_path / 'folder.db'}")


WRITER = """
import asyncio, sys
from lib_one.sql import open_database

async def main():
    database = open_database(sys.argv[1])
    async def writer(number):
        step = 0
        while True:
            name = f"{number}-{step}"
            await database.work(lambda c: c.exec_driver_sql("INSERT INTO items VALUES (?, 0)", (name,)) and None)
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()
            step += 1
    await asyncio.gather(*(writer(number) for number in range(16)))

asyncio.run(main())
"""


def test_every_row_that_was_acknowledged_survives_kill_9(sqlite_url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, sqlite_url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(2000)]
    process.kill()
    rest = process.communicate(timeout=30)[0].split("\n")
    acknowledged += rest[:-1]  # what follows the last line break was cut off
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as raw:
        stored = {name for (name,) in raw.execute("SELECT name FROM items")}
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert len(acknowledged) >= 2000
    assert set(acknowledged) <= stored


# One step of a unit of work: (key, new value or None for "raise here").
steps = st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 9))), max_size=4)


@given(st.lists(steps, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_ends_as_if_each_unit_of_work_ran_alone(
    create_tables: Callable[[str], None], units: list[list[tuple[str, int | None]]]
) -> None:
    upsert = text("INSERT INTO items VALUES (:k, :v) ON CONFLICT (name) DO UPDATE SET number = number * 3 + :v")

    def unit(plan: list[tuple[str, int | None]]) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            for key, value in plan:
                if value is None:
                    raise LookupError
                connection.execute(upsert, {"k": key, "v": value})

        return run

    async def run_together(database: Database) -> tuple[list[bool], dict[str, int]]:
        results = await asyncio.gather(*(database.work(unit(plan)) for plan in units), return_exceptions=True)
        state = database.lookup(lambda c: dict(c.execute(text("SELECT name, number FROM items")).all()))
        await database.close()
        return [result is None for result in results], state

    expected: dict[str, int] = {}
    for plan in units:
        if all(value is not None for _, value in plan):
            for key, value in plan:
                assert value is not None
                expected[key] = expected[key] * 3 + value if key in expected else value
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/test.db"
        create_tables(url)

        async def scenario() -> tuple[list[bool], dict[str, int]]:
            return await run_together(open_database(url))

        done, state = asyncio.run(scenario())
    assert done == [all(value is not None for _, value in plan) for plan in units]
    assert state == expected


async def test_a_writer_whose_connection_breaks_answers_everybody_and_goes_on(
    sqlite_database: SqliteDatabase, items: Table, add: Add
) -> None:
    def break_it(connection: Connection) -> None:
        connection.connection.dbapi_connection.close()  # type: ignore[union-attr]

    jobs = [add("a"), break_it, add("b")]
    results = await asyncio.gather(*(sqlite_database.work(job) for job in jobs), return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailableError}
    await sqlite_database.work(add("c"))
    assert sqlite_database.lookup(lambda c: c.execute(select(items.c.name)).scalars().all()) == ["c"]


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are notes, not tables\n" * 100)
    with pytest.raises(DatabaseUnavailableError, match=r"notes\.db"):
        open_database(f"sqlite:///{tmp_path / 'notes.db'}")
