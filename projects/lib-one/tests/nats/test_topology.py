"""The streams are as the table says, whoever comes first."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from lib_one.catalogue import stream_of
from lib_one.contracts.auth import UserDisabled
from lib_one.contracts.revocation import RevocationHeartbeat
from lib_one.event import contracts, event, new_id, utc_now
from lib_one.nats import APP_PROJECTOR, TOPOLOGY, JetStreamBus, Stream, topology
from lib_one.testing import NatsServer


async def config(connection, stream: str) -> dict[str, object]:
    info = await (await connection.session()).api(dict, f"STREAM.INFO.{stream}")
    made: dict[str, object] = info["config"]
    return made


async def test_every_stream_is_made_with_its_subjects_and_its_age(server: NatsServer, connect) -> None:
    connection = await connect(server)
    await topology.ensure(await connection.session(), topology.owned_by("test"))
    for stream in TOPOLOGY:
        made = await config(connection, stream.name)
        own = [topology.replay_subject(reader.durable) for reader in topology.readers_of(stream.name)]
        assert made["subjects"] == [*stream.subjects, *own]
        assert made["max_age"] == stream.max_age.total_seconds() * 1e9
        assert made["storage"] == "file"


async def test_a_service_from_elsewhere_makes_its_own_streams_and_no_others(server: NatsServer, connect) -> None:
    connection = await connect(server)
    bus = JetStreamBus(connection, streams=(Stream("ORDERS", ("shop",), ("orders.>",), timedelta(days=30)),))
    assert [state.name for state in await bus.streams()] == ["ORDERS"]
    names = await (await connection.session()).api(dict, "STREAM.NAMES")
    assert names["streams"] == ["ORDERS"]


async def test_revocations_keep_the_newest_of_a_subject_and_are_told_live(server: NatsServer, connect) -> None:
    connection = await connect(server)
    await topology.ensure(await connection.session(), topology.owned_by("auth-svc"))
    made = await config(connection, "REV")
    assert made["max_msgs_per_subject"] == 1
    assert made["republish"] == {"src": "auth.rev.>", "dest": "live.auth.rev.>"}
    bus = JetStreamBus(connection)
    for _ in range(3):
        await bus.publish([event(RevocationHeartbeat(sent_at=utc_now()), source="/t", now=utc_now).encode()])
    info = await (await connection.session()).api(dict, "STREAM.INFO.REV")
    assert info["state"]["messages"] == 1


async def test_ensuring_again_changes_nothing(server: NatsServer, connect) -> None:
    connection = await connect(server)
    session = await connection.session()
    bus = JetStreamBus(connection)
    await bus.publish([event(UserDisabled(user_id=new_id()), source="/t", now=utc_now).encode()])
    before = await session.api(dict, "STREAM.INFO.AUTH")
    await topology.ensure(session, topology.owned_by("test"))
    after = await session.api(dict, "STREAM.INFO.AUTH")
    assert after["created"] == before["created"]
    assert after["state"]["messages"] == 1
    first = await topology.ensure_consumer(session, APP_PROJECTOR)
    assert await topology.ensure_consumer(session, APP_PROJECTOR) == first


async def test_many_creators_at_the_same_moment_are_fine(server: NatsServer, connect) -> None:
    connections = [await connect(server, f"creator-{number}") for number in range(5)]
    await asyncio.gather(*[topology.ensure(await each.session(), topology.owned_by("test")) for each in connections])
    assert (await config(connections[0], "AUTH"))["subjects"] == ["auth.evt.>"]


async def test_a_changed_row_is_brought_up_to_date_and_keeps_the_messages(
    server: NatsServer, connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connect(server)
    await JetStreamBus(connection).publish([event(UserDisabled(user_id=new_id()), source="/t", now=utc_now).encode()])
    changed = tuple(replace(row, max_age=timedelta(days=1)) if row.name == "AUTH" else row for row in TOPOLOGY)
    monkeypatch.setattr(topology, "TOPOLOGY", changed)
    session = await connection.session()
    await topology.ensure(session, topology.owned_by("test"))
    info = await session.api(dict, "STREAM.INFO.AUTH")
    assert info["config"]["max_age"] == 86_400e9
    assert info["state"]["messages"] == 1


async def test_a_change_that_the_server_refuses_is_left_alone(
    server: NatsServer, connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connect(server)
    session = await connection.session()
    await session.api(
        dict, "STREAM.CREATE.AUTH", {"name": "AUTH", "subjects": ["auth.evt.>"], "retention": "workqueue"}
    )
    await topology.ensure(session, topology.owned_by("test"))
    assert (await config(connection, "AUTH"))["retention"] == "workqueue"


def test_each_service_owns_its_streams_and_a_stranger_stands_in_for_all() -> None:
    assert [row.name for row in topology.owned_by("auth-svc")] == ["AUTH", "REV", "WEBHOOKS", "DEAD"]
    assert [row.name for row in topology.owned_by("app-svc")] == ["SHIPMENTS", "WEBHOOKS", "DEAD"]
    assert topology.owned_by("test") == TOPOLOGY


def test_every_contract_has_a_stream() -> None:
    house = [contract for contract in contracts().values() if contract.__module__.startswith("lib_one.contracts.")]
    assert len(house) > 20  # contracts of others, such as an example's, may be registered too
    assert {stream_of(contract) for contract in house} <= set(TOPOLOGY)
