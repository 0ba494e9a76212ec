"""The live feed of the whole system over NATS, with a token that is revoked while somebody listens."""

import asyncio
import re
from contextlib import aclosing

import httpx
import pytest

from lib_one.nats import NatsConnection
from lib_one.testing import eventually
from lib_two import live
from lib_two.session import ClientSession
from tests.running import FrontDoor

pytestmark = pytest.mark.system


@pytest.mark.parametrize("bound", [False, True])
async def test_live_feed_moves_to_the_bus_and_a_revocation_loses_no_event(system: FrontDoor, bound: bool) -> None:
    """With a bearer token, and with one that is bound to a key (RFC 9449)."""
    secret = system.secret("simulator")
    operator = NatsConnection(
        system.facts["nats_url"], name="operator", nkey_seed=(system.data / "nats" / "operator.nk").read_text()
    )
    await operator.start()
    numbers: list[int] = []

    async def door(word: str) -> int:
        answer = await (await operator.session()).request("$SRV.STATS.auth-svc", b"", timeout=30)
        found = re.search(rf'"{word}":(\d+)', answer.data.decode())
        return 0 if found is None else int(found[1])

    async with ClientSession(system.issuer, "simulator", secret, scope="shipments:read", bound=bound) as session:

        async def listen() -> None:
            async with aclosing(live.events(session, f"{system.app_url}/shipments/live")) as events:
                async for event in events:
                    numbers.append(int(event.id))

        async def more() -> bool:
            return len(numbers) > seen

        async def nobody() -> bool:
            return await door("guests") == 0

        await eventually(nobody)
        listening = asyncio.create_task(listen())
        await eventually(lambda: door("guests"))
        seen = len(numbers)
        await eventually(more)
        kicked, token = await door("kicked"), await session.access_token()
        httpx.post(f"{system.issuer}/revoke", data={"token": token}, auth=("simulator", secret)).raise_for_status()

        async def put_out() -> bool:
            return await door("kicked") > kicked

        await eventually(put_out)
        await eventually(lambda: door("guests"))
        seen = len(numbers)
        await eventually(more)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    await operator.close()
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
