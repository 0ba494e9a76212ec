"""app-svc on a real bus: it can be found there."""

from typing import Any

import msgspec

from lib_one.nats import NatsConnection, discover
from lib_one.testing import eventually, nats_server


async def test_a_ping_over_the_bus_finds_it_and_its_statistics(start: Any) -> None:
    async with nats_server(open_door=False) as server:
        server.seed("app-svc")
        operator = NatsConnection(server.url, name="operator", nkey_seed=server.seed("operator"))
        await operator.start()

        async def found() -> bool:
            return [service.name for service in await discover(operator, wait=0.1)] == ["app-svc"]

        async with start(nats_url=server.url, nats_nkey_file=server.seed_file("app-svc")):
            await eventually(found)
            session = await operator.session()
            answer = msgspec.json.decode((await session.request("$SRV.STATS.app-svc", b"")).data)
            assert answer["endpoints"][0]["data"].keys() >= {"feed_position", "live_streams", "guard"}
            assert answer["metadata"]["role"] == "api, timeline, webhooks"
        assert await discover(operator, wait=0.1) == []
        await operator.close()
