"""What differs from the table is said, what is safe is changed, and what would lose something is not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lib_one.contracts.auth import UserDisabled
from lib_one.errors import BusUnavailableError
from lib_one.event import event, new_id, utc_now
from lib_one.nats import JetStreamBus, NatsConnection, migrate, topology
from lib_one.nats.migration import Difference, compare_stream
from lib_one.nats.topology import AUTH, REV
from lib_one.testing import NatsServer, free_port


async def run(server: NatsServer, *, apply: bool) -> list[str]:
    found = await migrate(NatsConnection(server.url, name="auth-svc"), replicas=1, apply=apply)
    return [f"{one.thing}: {one.field}" for one in found.differences]


async def test_what_is_not_there_is_told_then_made_and_then_all_is_well(server: NatsServer) -> None:
    missing = ["stream AUTH: it", "stream REV: it", "stream WEBHOOKS: it", "stream DEAD: it"]
    assert (await run(server, apply=False))[:4] == missing
    assert (await run(server, apply=False))[:4] == missing  # to look changes nothing
    assert (await run(server, apply=True))[:4] == missing
    assert await run(server, apply=False) == []


async def test_a_consumer_that_differs_is_brought_up_to_date(
    server: NatsServer, connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await migrate(NatsConnection(server.url, name="app-svc"), replicas=1, apply=True)).agrees
    monkeypatch.setattr(topology, "ACK_WAIT", timedelta(seconds=7))
    told = await migrate(NatsConnection(server.url, name="app-svc"), replicas=1, apply=True)
    assert "consumer SHIPMENTS/app_svc__timeline: ack_wait: 0:00:05 → 0:00:07" in str(told)
    assert (await migrate(NatsConnection(server.url, name="app-svc"), replicas=1, apply=False)).differences == ()


async def compared(connection: NatsConnection, stream: topology.Stream, **also: object) -> list[Difference]:
    session = await connection.session()
    return await compare_stream(session, stream.config() | also, keep_replicas=True, apply=True)


async def test_a_shorter_age_is_refused_while_it_would_delete_messages(server: NatsServer, connect) -> None:
    connection = await connect(server)
    await JetStreamBus(connection).publish([event(UserDisabled(user_id=new_id()), source="/t", now=utc_now).encode()])
    session = await connection.session()
    (difference,) = await compared(connection, AUTH, max_age=1)  # nanosecond
    assert "would be deleted" in (difference.obstacle or "")
    (difference,) = await compared(connection, AUTH, max_age=86_400_000_000_000)
    assert str(difference) == "stream AUTH: max_age: 90 days, 0:00:00 → 1 day, 0:00:00"
    info = await session.api(dict, "STREAM.INFO.AUTH")
    assert (info["config"]["max_age"], info["state"]["messages"]) == (86_400_000_000_000, 1)


async def test_keeping_one_message_a_subject_is_refused_while_there_are_more(server: NatsServer, connect) -> None:
    connection = await connect(server)
    session = await connection.session()
    await session.api(dict, "STREAM.CREATE.REV", replace(REV, latest_only=False).config())
    for _ in range(2):
        await session.request("auth.rev.heartbeat", b"{}")
    (difference,) = await compared(connection, REV)
    assert difference.field == "max_msgs_per_subject"
    assert "nats stream backup REV" in (difference.obstacle or "")
    assert (await session.api(dict, "STREAM.INFO.REV"))["state"]["messages"] == 2


async def test_other_changes_are_made_beside_a_refused_one(server: NatsServer, connect) -> None:
    connection = await connect(server)
    session = await connection.session()
    await session.api(dict, "STREAM.CREATE.AUTH", AUTH.config() | {"subjects": ["auth.evt.>", "old.>"], "max_age": 0})
    told = {one.field: one.obstacle for one in await compared(connection, AUTH)}
    assert told["max_age"] is None
    assert "old.>" in (told["subjects"] or "")
    config = (await session.api(dict, "STREAM.INFO.AUTH"))["config"]
    assert config["subjects"] == ["auth.evt.>", "old.>"]
    assert config["max_age"] == AUTH.max_age.total_seconds() * 1e9


async def test_what_cannot_be_changed_in_place_says_what_to_do(server: NatsServer, connect) -> None:
    connection = await connect(server)
    session = await connection.session()
    await session.api(dict, "STREAM.CREATE.AUTH", AUTH.config() | {"storage": "memory"})
    (difference,) = await compared(connection, AUTH)
    assert str(difference).startswith("stream AUTH: storage: memory → file\n  refused: it cannot be changed in place.")


async def test_a_bus_that_is_away_is_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topology, "PATIENCE", 0.05)
    with pytest.raises(BusUnavailableError, match="does not answer"):
        await migrate(NatsConnection(f"nats://127.0.0.1:{free_port()}", name="app-svc"), replicas=1, apply=False)
