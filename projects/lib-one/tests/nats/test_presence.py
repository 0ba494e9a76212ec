"""Presence by the NATS micro protocol."""

import asyncio

import msgspec
import pytest

from lib_one.errors import BusUnavailableError
from lib_one.nats import JetStreamBus, Presence, ServiceInfo, ServiceStanding, bus_checks, discover, standings
from lib_one.testing import NatsServer, eventually


async def names(connection) -> list[str]:
    return [service.name for service in await discover(connection, wait=0.1)]


async def test_a_ping_lists_both_services_with_their_own_rights(locked_server: NatsServer, connect, run) -> None:
    for name in ("auth-svc", "app-svc"):
        run(Presence(await connect(locked_server, name, key=True), version="1.2.3").run())
    operator = await connect(locked_server, "operator", key=True)

    async def both() -> list[ServiceInfo] | None:
        found = await discover(operator, wait=0.1)
        return found if len(found) == 2 else None

    found = await eventually(both)
    assert found is not None
    assert [(service.name, service.version) for service in found] == [("app-svc", "1.2.3"), ("auth-svc", "1.2.3")]
    assert len({service.id for service in found}) == 2


async def test_stats_and_info_answer_by_name(server: NatsServer, connect, run) -> None:
    connection = await connect(server, "app-svc")
    run(Presence(connection, version="1.0.0", description="Tracks shipments", stats=lambda: {"lag": 3}).run())

    async def there() -> bool:
        return await names(connection) == ["app-svc"]

    await eventually(there)
    session = await connection.session()
    info = msgspec.json.decode((await session.request("$SRV.INFO.app-svc", b"")).data)
    assert info["type"] == "io.nats.micro.v1.info_response"
    assert info["description"] == "Tracks shipments"
    stats = msgspec.json.decode((await session.request("$SRV.STATS.app-svc", b"")).data)
    assert stats["endpoints"][0]["data"]["lag"] == 3
    assert stats["started"]
    by_id = msgspec.json.decode((await session.request(f"$SRV.PING.app-svc.{info['id']}", b"")).data)
    assert by_id["version"] == "1.0.0"


async def test_a_service_is_present_again_after_a_restart_of_nats(server: NatsServer, connect, run) -> None:
    run(Presence(await connect(server, "app-svc"), version="1.0.0").run())
    connection = await connect(server)

    async def there() -> bool:
        return await names(connection) == ["app-svc"]

    await eventually(there)
    await server.kill()
    await server.start()
    await eventually(there)


async def test_a_service_that_ends_is_gone(server: NatsServer, connect, run) -> None:
    leaving = await connect(server, "app-svc")
    presence = run(Presence(leaving, version="1.0.0").run())
    connection = await connect(server)

    async def there() -> bool:
        return await names(connection) == ["app-svc"]

    await eventually(there)
    presence.cancel()
    await asyncio.gather(presence, return_exceptions=True)
    await leaving.close()
    assert await names(connection) == []


async def test_an_answer_goes_to_an_inbox_alone(server: NatsServer, connect, run) -> None:
    """Else whoever may ask could have a service say something, on a subject that is the service's own."""
    connection, told = await connect(server, "app-svc"), []
    run(Presence(connection, version="1.0.0").run())

    async def there() -> bool:
        return await names(connection) == ["app-svc"]

    await eventually(there)
    session = await connection.session()
    await session.subscribe("shipments.>", told.append)
    await session.publish("$SRV.PING.app-svc", b"", reply="shipments.abc.delivered")
    await session.request("$SRV.PING.app-svc", b"")
    await session.client.flush(timeout=30)
    assert told == []


async def test_every_process_tells_its_role_and_how_its_parts_are(server: NatsServer, connect, run) -> None:
    connection = await connect(server, "app-svc")
    assert (await bus_checks(connection))["streams"]["ok"] is False  # they are not made yet
    await JetStreamBus(connection).streams()
    broken = Presence(await connect(server, "app-svc"), version="1.0.0", role="worker", look=_cannot_look)
    run(broken.run())
    run(Presence(connection, version="1.0.0", role="api", look=lambda: bus_checks(connection)).run())

    async def both() -> list[ServiceStanding] | None:
        found = await standings(connection, wait=0.1)
        return found if len(found) == 2 and found[0].checks else None

    api, worker = await eventually(both)
    assert (api.role, worker.role) == ("api", "worker")
    assert (worker.checks, worker.looked_at) == ({}, None)
    assert api.ok
    assert api.checks.keys() == {"bus", "streams", "consumers", "dead_letters"}
    assert api.checks["streams"]["streams"]["SHIPMENTS"]["replicas"] == 1
    assert api.checks["consumers"]["consumers"] == {"app_svc__timeline": 0}


async def _cannot_look() -> dict[str, dict[str, object]]:
    raise RuntimeError("the test has broken it")


async def test_what_waits_is_told_and_a_dead_letter_is_not_well(server: NatsServer, connect) -> None:
    connection = await connect(server, "app-svc")
    await JetStreamBus(connection).streams()
    session = await connection.session()
    await session.request("shipments.one.scanned", b"{}")
    advisory = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED"
    for subject in (f"{advisory}.SHIPMENTS.app_svc__timeline", f"{advisory}.ELSEWHERE.other"):
        await session.request(subject, b"{}")
    checks = await bus_checks(connection)
    assert checks["consumers"]["pending"] == 1
    assert checks["dead_letters"] == {"ok": False, "waiting": 1}


async def test_a_bus_that_is_away_is_not_well_and_nobody_waits_for_it(server: NatsServer, connect) -> None:
    connection = await connect(server, "app-svc")
    await server.kill()
    await eventually(lambda: not connection.connected)
    assert await bus_checks(connection) == {"bus": {"ok": False, "connections": 1}}
    with pytest.raises(BusUnavailableError):
        await standings(connection, wait=0.05)
