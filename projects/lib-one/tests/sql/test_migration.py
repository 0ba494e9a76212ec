"""Migrations at start."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, make_url, select, text

from lib_one.sql import DatabaseUnavailableError, open_database, upgrade
from lib_one.sql.inbox import inbox_table
from lib_one.sql.outbox import outbox_table
from lib_one.testing.databases import PostgresServer

FIRST = """
import sqlalchemy as sa
from alembic import op
from lib_one.sql import UtcDateTime, create_inbox, create_outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox(op)
    create_inbox(op)
    op.create_table("things", sa.Column("id", sa.Text, primary_key=True), sa.Column("made_at", UtcDateTime))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.add_column("things", sa.Column("name", sa.Text))
    {more}
"""

type Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """`package("0001", "0002")` makes an importable package with migrations; returns its name."""
    name = f"svc_{tmp_path.name.replace('-', '_')}"
    versions = tmp_path / name / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def make(*files: str) -> str:
        for number, source in enumerate(files, 1):
            (versions / f"{number:04}_step.py").write_text(source)
        return name

    return make


async def columns(url: str, table: str) -> set[str]:
    database = open_database(url)
    try:
        return await database.read(lambda c: {column["name"] for column in inspect(c).get_columns(table)})
    finally:
        await database.close()


async def test_upgrade_makes_the_tables_and_a_second_one_changes_nothing(empty_url: str, package: Package) -> None:
    name = package(FIRST)
    upgrade(empty_url, package=name)
    upgrade(empty_url, package=name)
    assert await columns(empty_url, "things") == {"id", "made_at"}
    assert await columns(empty_url, "outbox") == {column.name for column in outbox_table.columns}
    assert await columns(empty_url, "inbox") == {column.name for column in inbox_table.columns}
    upgrade(empty_url, package=package(FIRST, SECOND.format(more="")))
    assert await columns(empty_url, "things") == {"id", "made_at", "name"}


async def test_the_indexes_of_the_outbox_hold_only_what_is_looked_for(empty_url: str, package: Package) -> None:
    upgrade(empty_url, package=package(FIRST))
    kind = make_url(empty_url).get_backend_name()
    query = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'outbox' AND sql LIKE 'CREATE INDEX%'",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '% outbox_%'",
    }[kind]
    database = open_database(empty_url)
    try:
        found = dict(await database.read(lambda c: [(row[0], row[1]) for row in c.execute(text(query))]))
    finally:
        await database.close()
    assert "sent_at IS NULL" in found["outbox_waiting"].partition("WHERE")[2]
    assert "urgent" in found["outbox_revocations"].partition("WHERE")[2]


async def test_a_migration_that_fails_leaves_everything_as_it_was(empty_url: str, package: Package) -> None:
    upgrade(empty_url, package=package(FIRST))
    with pytest.raises(ZeroDivisionError):
        upgrade(empty_url, package=package(FIRST, SECOND.format(more="1 / 0")))
    assert await columns(empty_url, "things") == {"id", "made_at"}
    upgrade(empty_url, package=package(FIRST, SECOND.format(more="")))
    assert await columns(empty_url, "things") == {"id", "made_at", "name"}


async def test_processes_that_start_together_migrate_once(empty_url: str, package: Package, tmp_path: Path) -> None:
    name = package(FIRST, SECOND.format(more="__import__('time').sleep(0.3)"))
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom lib_one.sql import upgrade\n"
    program += f"upgrade({empty_url!r}, package={name!r})"
    processes = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    database = open_database(empty_url)
    versions = database.lookup(lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalars().all())
    assert versions == ["0002"]
    await database.close()


def test_at_the_head_alembic_is_not_imported_and_nothing_waits(
    empty_url: str, package: Package, tmp_path: Path
) -> None:
    name = package(FIRST)
    upgrade(empty_url, package=name)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nfrom lib_one.sql import upgrade\n"
    program += f"upgrade({empty_url!r}, package={name!r})\nassert 'alembic' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


async def test_a_broken_reference_undoes_the_migration(tmp_path: Path, package: Package) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    more = """
    op.create_table("parts", sa.Column("thing", sa.Text, sa.ForeignKey("things.id"), primary_key=True))
    op.execute("INSERT INTO parts VALUES ('nobody')")
    """
    upgrade(url, package=package(FIRST))
    with pytest.raises(Exception, match="references"):
        upgrade(url, package=package(FIRST, SECOND.format(more=more)))
    assert await columns(url, "things") == {"id", "made_at"}


def test_two_heads_are_refused(tmp_path: Path, package: Package) -> None:
    name = package(FIRST, SECOND.format(more=""), SECOND.format(more="").replace("0002", "0003"))
    with pytest.raises(ValueError, match="one head"):
        upgrade(f"sqlite:///{tmp_path / 'test.db'}", package=name)


@pytest.mark.parametrize("name", ["no_such_package_at_all", "json"])
def test_a_package_without_migrations_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        upgrade(f"sqlite:///{tmp_path / 'test.db'}", package=name)


def test_a_database_that_is_away_is_a_clear_error(
    postgres: PostgresServer, postgres_url: str, package: Package
) -> None:
    postgres.shut_out(postgres_url)
    start = time.monotonic()
    with pytest.raises(DatabaseUnavailableError):
        upgrade(postgres_url, package=package(FIRST))
    assert time.monotonic() - start < 20


async def test_the_database_file_is_its_owners_alone(tmp_path: Path, package: Package) -> None:
    file = tmp_path / "data" / "test.db"
    upgrade(f"sqlite:///{file}", package=package(FIRST))
    database = open_database(f"sqlite:///{file}")
    await database.work(lambda c: c.execute(text("INSERT INTO things (id) VALUES ('a')")))
    database.lookup(lambda c: c.execute(select(1)).scalar())
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in file.parent.iterdir()} == {0}
    await database.close()
