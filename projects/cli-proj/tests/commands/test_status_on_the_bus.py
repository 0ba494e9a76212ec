"""`status` on the bus itself, which is real, as is its door; who is let in is decided here."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli_proj import health
from cli_proj.health import Processes
from cli_proj.testing import Program
from lib_one.event import utc_now
from lib_one.nats import NatsConnection, Presence
from lib_one.nats.callout import Admission, Callout, Shown
from lib_one.nats.session import inbox_of
from lib_one.testing import NatsServer, eventually, free_port, in_background, nats_server
from lib_two.session import Session
from lib_two.testing.server import Answer, Asked, Server
from lib_two.token_store import TokenSet, TokenStore


@dataclass
class Bus:
    """The bus with its door, one service on it, and what auth-svc answers over HTTP."""

    server: NatsServer
    program: Program
    store: TokenStore
    address: str
    rights: tuple[str, ...] = ("$SRV.STATS",)
    let_in: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Paths at auth-svc."""
    issuer: str = ""

    async def decide(self, shown: Shown) -> Admission | str:
        self.let_in.append(shown.auth_token)
        return Admission(
            name="somebody",
            publish=self.rights,
            subscribe=(f"{inbox_of(shown.auth_token)}.>",),
            expires_at=int((datetime.now(UTC) + timedelta(minutes=5)).timestamp()),
        )

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked.path)
        if asked.path == "/ready":
            ready = {"service": "auth-svc", "status": "ready", "checks": {}, "bus_addresses": self.address.split()}
            return Answer(ready)
        return Answer({"bus": True, "services": []})

    async def status(self) -> dict[str, Any]:
        """What the command prints for programs."""
        done = await asyncio.to_thread(self.program.run, "status", "--json")
        document: dict[str, Any] = json.loads(done.stdout)
        return document


@pytest.fixture
async def bus(program: Program, tmp_path: Path) -> AsyncIterator[Bus]:
    async with nats_server(open_door=False) as server:
        found = Bus(server, program, TokenStore(tmp_path / "state", keyring=False), server.url)
        issuer = Server(found.answer)
        issuer.start()
        found.issuer = program.environment["CLI_ISSUER"] = f"http://127.0.0.1:{issuer.port}"
        tokens = TokenSet(
            access_token="a.b.c", token_type="Bearer", expires_at=utc_now() + timedelta(minutes=10), scope="admin"
        )
        found.store.save(found.issuer, "cli-proj", tokens)
        connections = [
            NatsConnection(server.url, name=name, nkey_seed=server.seed(name)) for name in ("auth-svc", "app-svc")
        ]
        for connection in connections:
            await connection.start()
            assert await connection.wait_connected(30)
        callout = Callout(
            connections[0],
            issuer_seed=server.seed("door-issuer"),
            curve_seed=server.seed("door-curve"),
            decide=found.decide,
            now=utc_now,
        )
        presence = Presence(connections[1], version="1.2.3", role="timeline")
        async with in_background(callout.run()), in_background(presence.run()):
            yield found
        for connection in connections:
            await connection.close()
        issuer.stop()


async def told(bus: Bus) -> dict[str, Any]:
    """What `status` tells as soon as the service has answered in time."""

    async def one() -> dict[str, Any] | None:
        document = await bus.status()
        return document if document["processes"] and document["asked_by"] == "cli-proj" else None

    found = await eventually(one)
    assert found is not None
    return found


async def test_operator_asks_every_process_on_the_bus(bus: Bus) -> None:
    document = await told(bus)
    assert document["ok"]
    assert [(one["service"], one["role"], one["version"]) for one in document["processes"]] == [
        ("app-svc", "timeline", "1.2.3")
    ]
    assert document["unknown"] is None
    assert set(bus.let_in) == {"a.b.c"}


async def test_auth_svc_asks_where_the_bus_is_out_of_reach_or_may_not_be_asked(bus: Bus) -> None:
    good = bus.address
    bus.address = f"nats://127.0.0.1:{free_port()}"
    document = await bus.status()
    assert (document["asked_by"], document["unknown"], bus.let_in) == ("auth-svc", None, [])
    done = await asyncio.to_thread(bus.program.run, "status")
    assert done.stderr == f"The bus is out of reach ({bus.address}): auth-svc has asked there.\n"
    bus.address, bus.rights = good, ()

    async def was_let_in() -> bool:
        document = await bus.status()
        assert (document["asked_by"], document["unknown"]) == ("auth-svc", None)
        return bool(bus.let_in)

    await eventually(was_let_in)


async def test_connection_stands_while_one_watches_and_is_made_again_when_it_has_ended(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "BUS_AGAIN", 0.0)
    async with Session(bus.issuer, "cli-proj", bus.store) as session:
        processes = Processes(session, bus.issuer)

        async def on_the_bus() -> bool:
            return bool(await processes.ask([bus.address])) and processes.asked_by == "cli-proj"

        async def on_the_same_connection() -> bool:
            before = len(bus.let_in)
            return await on_the_bus() and before == len(bus.let_in) > 0

        await eventually(on_the_same_connection)
        before = len(bus.let_in)
        await bus.server.kill()
        assert await processes.ask([bus.address]) == []
        assert processes.asked_by == "auth-svc"
        await bus.server.start()
        await eventually(on_the_bus)
        assert len(bus.let_in) > before
        await processes.close()
