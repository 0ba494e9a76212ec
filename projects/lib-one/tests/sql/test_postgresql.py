"""What is PostgreSQL's alone: collisions, lost connections, and a relay in another process."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import Connection, Table, select, text, update
from sqlalchemy.exc import IntegrityError

from lib_one.contracts.auth import UserDisabled
from lib_one.event import utc_now
from lib_one.sql import Database, DatabaseUnavailableError, Outbox, Relay, WorkAbortedError, open_database
from lib_one.sql import relay as relay_module
from lib_one.testing import RecordingBus, eventually
from lib_one.testing.databases import PostgresServer
from lib_one.testing.tasks import in_background

type Add = Callable[..., Callable[[Connection], None]]


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = open_database(postgres_url)
    yield database
    await database.close()


async def test_a_server_that_is_away_is_a_clear_error_and_comes_back(
    database: Database, postgres: PostgresServer, postgres_url: str, items: Table, add: Add
) -> None:
    await database.work(add("before"))
    count = lambda c: len(c.execute(select(items.c.name)).all())  # noqa: E731
    assert database.lookup(count) == 1
    postgres.shut_out(postgres_url)
    start = time.monotonic()
    results = await asyncio.gather(*(database.work(add(f"n{n}")) for n in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailableError}
    with pytest.raises(DatabaseUnavailableError):
        await database.read(count)
    with pytest.raises(DatabaseUnavailableError):
        database.lookup(count)
    assert time.monotonic() - start < 20
    postgres.let_in(postgres_url)

    async def works() -> bool:
        try:
            await database.work(add("after"))
            return True
        except DatabaseUnavailableError:
            return False

    await eventually(works)
    assert await database.read(count) == 2
    assert database.lookup(count) == 2


async def test_idle_connections_that_died_are_replaced_unnoticed(
    database: Database, postgres: PostgresServer, postgres_url: str, items: Table, add: Add
) -> None:
    count = lambda c: len(c.execute(select(items.c.name)).all())  # noqa: E731
    await database.work(add("a"))
    await database.read(count)
    database.lookup(count)
    postgres.disconnect(postgres_url)
    await database.work(add("b"))
    assert await database.read(count) == 2
    assert database.lookup(count) == 2


async def test_a_connection_lost_in_the_middle_is_tried_again(
    database: Database, postgres: PostgresServer, postgres_url: str, items: Table, add: Add
) -> None:
    runs = 0

    def interrupted(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        add("a")(connection)
        if runs == 1:
            postgres.disconnect(postgres_url)
        add("b")(connection)

    await database.work(interrupted)
    assert runs == 2
    assert database.lookup(lambda c: c.execute(select(items.c.name)).scalars().all()) == ["a", "b"]


async def test_a_deadlock_is_tried_again(database: Database, items: Table, add: Add) -> None:
    await database.work(add("a"))
    await database.work(add("b"))
    both_hold_one = threading.Barrier(2, timeout=30)
    first_runs: set[str] = set()

    def swap(first: str, second: str) -> Callable[[Connection], None]:
        def run(connection: Connection) -> None:
            for name in (first, second):
                connection.execute(update(items).where(items.c.name == name).values(number=items.c.number + 1))
                if first not in first_runs:
                    first_runs.add(first)
                    both_hold_one.wait()

        return run

    await asyncio.gather(database.work(swap("a", "b")), database.work(swap("b", "a")))
    assert database.lookup(lambda c: c.execute(select(items.c.number)).scalars().all()) == [2, 2]


async def test_going_on_after_a_failed_statement_is_refused_not_lost(
    database: Database, items: Table, add: Add
) -> None:
    await database.work(add("a"))

    def swallow(connection: Connection) -> None:
        try:
            add("a")(connection)
        except IntegrityError:
            return

    with pytest.raises(WorkAbortedError, match="failed statement"):
        await database.work(swallow)


async def test_a_statement_may_not_run_for_ever(database: Database) -> None:
    timeout = await database.work(lambda c: c.execute(text("SHOW statement_timeout")).scalar())
    assert timeout == "30s"
    assert await database.work(lambda c: c.execute(text("SHOW transaction_isolation")).scalar()) == "serializable"


RECORDER = """
import asyncio, sys
from lib_one.contracts.auth import UserDisabled
from lib_one.event import utc_now
from lib_one.sql import Outbox, open_database

async def main():
    database = open_database(sys.argv[1])
    outbox = Outbox(source="/other", now=utc_now)
    await database.work(lambda c: outbox.record(c, UserDisabled(user_id="u1")))
    await asyncio.sleep(0.2)
    await database.close()

asyncio.run(main())
"""


async def test_a_relay_hears_of_commits_in_other_processes(
    database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "POLL", 60.0)
    bus = RecordingBus()
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", RECORDER, postgres_url], check=True)
        await eventually(lambda: bus.published)


async def test_a_relay_whose_connection_is_cut_goes_on(
    database: Database, postgres: PostgresServer, postgres_url: str
) -> None:
    bus = RecordingBus()
    outbox = Outbox(source="/test", now=utc_now)
    async with in_background(Relay(database, bus, now=utc_now).run()):
        await database.work(lambda c: outbox.record(c, UserDisabled(user_id="u1")))
        await eventually(lambda: len(bus.published) == 1)
        postgres.disconnect(postgres_url)
        await database.work(lambda c: outbox.record(c, UserDisabled(user_id="u2")))
        await eventually(lambda: len(bus.published) == 2)
