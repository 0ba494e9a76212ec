"""A running auth-svc for tests: in this process, over the ASGI transport, with a clock that stands still."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import argon2
import pytest

from auth_svc.settings import Settings
from auth_svc.testing import SEED, House, Person, browsing, running_house, settings_in
from lib_one.testing import Clock, Sleep
from lib_one.testing.databases import PostgresServer, postgres_server


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Passwords are hashed with as little work as Argon2 can: with what people get, that would be a third of all work.

    What people get is in `users/test_passwords.py`.
    """
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=argon2.Type.ID)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("passwords", "accounts"):
            patch.setattr(f"auth_svc.users.{module}.argon2id", lambda: hasher)
        yield


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where auth-svc has run once: migrated, seeded, with keys. Tests get copies of it."""
    folder = tmp_path_factory.mktemp("grown")
    (folder / "seed.json").write_text(json.dumps(SEED))

    async def grow() -> None:
        async with running_house(settings_in(folder), Clock()):
            pass

    asyncio.run(grow())
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def grown_on_postgresql(grown: Path, postgres: PostgresServer) -> str:
    """A database in which auth-svc has run once, with the secret key of `grown`. Tests get copies of it."""
    url = postgres.create_database()

    async def grow() -> None:
        async with running_house(settings_in(grown, database_url=url), Clock()):
            pass

    asyncio.run(grow())
    return url


@pytest.fixture
def database_url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The database of the app under test: SQLite in `folder`, or PostgreSQL where a test asks for that by parameter."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{folder / 'auth.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create_database(template=request.getfixturevalue("grown_on_postgresql"))
    yield url
    server.drop_database(url)


@pytest.fixture
def folder(grown: Path, tmp_path: Path) -> Path:
    """A data folder of one's own."""
    return Path(shutil.copytree(grown, tmp_path / "data"))


@pytest.fixture
def settings(folder: Path, database_url: str) -> Settings:
    """Settings of the app under test; a module may override this fixture."""
    return settings_in(folder, database_url=database_url)


@pytest.fixture
def clock() -> Clock:
    """The clock of the app under test."""
    return Clock()


@pytest.fixture(autouse=True)
def waited(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long auth-svc waits until tokens are told apart from a revocation, each time; the clock is turned."""
    sleep = Sleep(clock)
    for module in ("signin.beginning", "token.endpoint"):
        monkeypatch.setattr(f"auth_svc.{module}.sleep", sleep)
    return sleep.pauses


@pytest.fixture
async def house(settings: Settings, clock: Clock) -> AsyncIterator[House]:
    """A running auth-svc."""
    async with running_house(settings, clock) as running:
        yield running


@pytest.fixture
async def person(house: House) -> AsyncIterator[Person]:
    """Somebody with a browser."""
    async with browsing(house) as somebody:
        yield somebody


@pytest.fixture
async def stranger(house: House) -> AsyncIterator[Person]:
    """Somebody else, elsewhere."""
    async with browsing(house, address="203.0.113.7") as somebody:
        yield somebody


@dataclass
class Living:
    """A running auth-svc for tests that are not coroutines: state machines and properties of Hypothesis."""

    house: House
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    """Run one step in the event loop of the house."""


@pytest.fixture
def living(folder: Path, request: pytest.FixtureRequest) -> Iterator[Living]:
    """One auth-svc for all examples of a test; a test may give settings as the fixture's parameter."""
    changed = getattr(request, "param", {})
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        house = runner.run(stack.enter_async_context(running_house(settings_in(folder, **changed), Clock())))
        yield Living(house, runner.run)
        runner.run(stack.aclose())
