"""The streams of the bus are lost, and no guard that starts afterwards takes a revoked token for a good one."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lib_one.contracts.revocation import RevocationHeartbeat, TokenRevoked
from lib_one.event import Event, event, utc_now
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.nats.topology import REV
from lib_one.sql import Database, Outbox, Relay, open_database, upgrade
from lib_one.testing import NatsServer, eventually, in_background, nats_server
from lib_two.revocation import RevocationView, State
from lib_two.validation import Claims

MIGRATION = """
from alembic import op
from lib_one.sql import create_outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_outbox(op)
"""


def claims(token_id: str) -> Claims:
    return Claims(
        issuer="i",
        subject="s",
        audience=("a",),
        client_id="c",
        token_id=token_id,
        issued_at=utc_now(),
        expires_at=utc_now() + timedelta(minutes=10),
        scopes=frozenset(),
        key_id="k",
        session_id=None,
        grant_id=None,
    )


def heartbeat(at: datetime) -> Event:
    return event(RevocationHeartbeat(sent_at=at), source="/auth-svc", now=utc_now)


class Scene:
    """A bus, what auth-svc has of it (outbox and relay), and an operator who may do everything."""

    def __init__(self, server: NatsServer, database: Database) -> None:
        self.server = server
        self.database = database

    @asynccontextmanager
    async def connected(self, name: str) -> AsyncIterator[NatsConnection]:
        connection = NatsConnection(self.server.url, name=name)
        await connection.start()
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[Relay]:
        async with self.connected("auth-svc") as connection:
            relay = Relay(self.database, JetStreamBus(connection), now=utc_now, heartbeat=heartbeat)
            async with in_background(relay.run()):
                yield relay

    @asynccontextmanager
    async def viewing(self) -> AsyncIterator[RevocationView]:
        """A guard's view that starts now."""
        async with self.connected("app-svc") as connection:
            view = RevocationView()
            async with in_background(view.run(connection)):
                yield view

    async def revoke(self, *tokens: str) -> None:
        outbox = Outbox(source="/auth-svc", now=utc_now)
        facts = [TokenRevoked(token_id=token, expires_at=utc_now() + timedelta(minutes=10)) for token in tokens]
        await self.database.work(lambda connection: outbox.record(connection, *facts))

    async def sequence(self) -> int:
        async with self.connected("operator") as connection:
            info = await (await connection.session()).api(dict, "STREAM.INFO.REV")
            return int(info["state"]["last_seq"])

    async def told_at(self, token: str) -> int:
        """Where in the stream the revocation of this token stands."""
        async with self.connected("operator") as connection:
            question = {"last_by_subj": f"auth.rev.token.{token}"}
            found = await (await connection.session()).api(dict, "STREAM.MSG.GET.REV", question)
            return int(found["message"]["seq"])

    async def operate(self, *requests: tuple[str, object]) -> None:
        async with self.connected("operator") as connection:
            session = await connection.session()
            for subject, body in requests:
                await session.api(dict, subject, body)


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    versions = tmp_path / "lost_bus_svc" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent.parent / "__init__.py").touch()
    (versions / "0001_outbox.py").write_text(MIGRATION)
    monkeypatch.syspath_prepend(tmp_path)
    url = f"sqlite:///{tmp_path / 'auth.db'}"
    upgrade(url, package="lost_bus_svc")
    database = open_database(url)
    async with nats_server() as server:
        yield Scene(server, database)
        await database.close()


async def fresh(*views: RevocationView) -> None:
    await eventually(lambda: all(view.state() == State.FRESH for view in views))


def assert_knows(view: RevocationView, tokens: Iterable[str]) -> None:
    assert [token for token in tokens if not view.revoked(claims(token))] == []


async def test_a_guard_that_starts_after_a_wipe_refuses_what_was_revoked_before(scene: Scene) -> None:
    async with scene.relaying(), scene.viewing() as old:
        await scene.revoke("t1", "t2")
        await fresh(old)
        await scene.server.wipe()
        await scene.server.start()
        async with scene.viewing() as new:
            await fresh(new, old)
            assert_knows(new, ["t1", "t2"])
            assert_knows(old, ["t1", "t2"])


async def test_a_wipe_while_the_issuer_is_down(scene: Scene) -> None:
    async with scene.relaying(), scene.viewing() as view:
        await scene.revoke("t1")
        await fresh(view)
    await scene.server.wipe()
    await scene.server.start()
    async with scene.viewing() as view, scene.relaying():
        await fresh(view)
        assert_knows(view, ["t1"])


LOSSES = {
    "deleted and made again": [("STREAM.DELETE.REV", None), ("STREAM.CREATE.REV", REV.config())],
    "deleted": [("STREAM.DELETE.REV", None)],
    "purged": [("STREAM.PURGE.REV", None)],
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_no_view_is_ever_fresh_without_what_was_revoked_though_no_connection_breaks(
    scene: Scene, loss: str
) -> None:
    tokens = [f"t{number}" for number in range(300)]
    async with scene.relaying(), AsyncExitStack() as stack:
        first = await stack.enter_async_context(scene.viewing())
        await scene.revoke(*tokens)
        await fresh(first)
        for _ in range(3):
            await scene.operate(*LOSSES[loss])
            views = [await stack.enter_async_context(scene.viewing()) for _ in range(2)]
            waiting = set(views)
            async with asyncio.timeout(60):
                while waiting:
                    for view in list(waiting):
                        if view.state() == State.FRESH:
                            assert_knows(view, tokens)
                            waiting.discard(view)
                    await asyncio.sleep(0.001)


@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
async def test_a_restart_without_a_loss_costs_one_copy_at_most_and_heartbeats_go_on(scene: Scene, how: str) -> None:
    tokens = [f"t{number}" for number in range(100)]
    async with scene.relaying(), scene.viewing() as view:
        await scene.revoke(*tokens)
        await eventually(lambda: all(view.revoked(claims(token)) for token in tokens))
        await fresh(view)
        before = await scene.sequence()
        if how == "frozen":
            with scene.server.frozen():
                await eventually(lambda: view.state() == State.STALE)
        else:
            await (scene.server.stop() if how == "stopped" else scene.server.kill())
            await scene.server.start()
            await eventually(lambda: view.state() != State.FRESH)
        await fresh(view)
        beats = await scene.sequence()
        assert beats - before < 200, "at most one refill, and heartbeats: two would be more"
        copied = await scene.told_at(tokens[-1])
        await eventually(lambda: _grown(scene, beats + 3))
        assert await scene.told_at(tokens[-1]) == copied, "nothing but heartbeats"


async def _grown(scene: Scene, target: int) -> bool:
    return await scene.sequence() >= target
