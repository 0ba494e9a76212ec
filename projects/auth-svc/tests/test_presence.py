"""auth-svc on a real bus: it can be found there."""

from pathlib import Path

import msgspec

from auth_svc.app import create_app
from auth_svc.testing import settings_in
from lib_one.nats import NatsConnection, ServiceStanding, discover, standings
from lib_one.testing import eventually, nats_server

CHECKS = {"database", "outbox", "keys", "bus", "streams", "consumers", "dead_letters"}


async def test_a_ping_over_the_bus_finds_it_and_its_statistics(folder: Path) -> None:
    async with nats_server(open_door=False) as server:
        server.seed("auth-svc")
        settings = settings_in(folder, nats_url=server.url, nats_nkey_file=server.seed_file("auth-svc"))
        operator = NatsConnection(server.url, name="operator", nkey_seed=server.seed("operator"))
        await operator.start()

        async def found() -> bool:
            return [service.name for service in await discover(operator, wait=0.1)] == ["auth-svc"]

        async with create_app(settings).running():
            await eventually(found)
            session = await operator.session()
            answer = msgspec.json.decode((await session.request("$SRV.STATS.auth-svc", b"")).data)
            assert answer["endpoints"][0]["data"].keys() >= {"events_published", "events_refused"}

            async def well() -> list[ServiceStanding]:
                return [one for one in await standings(operator, wait=0.1) if one.ok and "streams" in one.checks]

            (one,) = await eventually(well)
            assert one.role == "server"
            assert one.checks.keys() == CHECKS
            assert one.checks["database"] == {"ok": True, "kind": "sqlite"}
            assert one.checks["outbox"]["oldest_seconds"] >= 0
        assert await discover(operator, wait=0.1) == []
        await operator.close()
