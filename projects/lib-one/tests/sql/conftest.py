"""The same suite on SQLite and on a real PostgreSQL."""

from collections.abc import AsyncIterator, Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, make_url

from lib_one.sql import Database, open_database
from lib_one.sql.inbox import metadata as inbox_metadata
from lib_one.sql.outbox import metadata as outbox_metadata
from lib_one.testing.databases import PostgresServer, fresh_database, postgres_server

_metadata = MetaData()
_items = Table("items", _metadata, Column("name", Text, primary_key=True), Column("number", Integer, nullable=False))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


def _create_tables(url: str) -> None:
    parsed = make_url(url)
    engine = import_module(f"lib_one.sql.{parsed.get_backend_name()}")
    with engine.migrating(parsed) as connection:
        for metadata in (_metadata, outbox_metadata, inbox_metadata):
            metadata.create_all(connection)


@pytest.fixture
def create_tables() -> Callable[[str], None]:
    return _create_tables


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without tables."""
    with fresh_database(request.param, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
        yield url


@pytest.fixture
def url(empty_url: str) -> str:
    """The URL of a database with `items`, an outbox and an inbox."""
    _create_tables(empty_url)
    return empty_url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    _create_tables(url)
    return url


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.create_database()
    _create_tables(url)
    yield url
    postgres.drop_database(url)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    yield database
    await database.close()


@pytest.fixture
def items() -> Table:
    return _items


@pytest.fixture
def add() -> Callable[..., Callable[[Connection], None]]:
    """`add("a", 1)` is a unit of work that inserts one item."""

    def add(name: str, number: int = 0) -> Callable[[Connection], None]:
        return lambda connection: connection.execute(_items.insert(), {"name": name, "number": number}) and None

    return add
