"""A consumer is set back, by place or by time, while it is read; and it never skips anything."""

import asyncio
from datetime import timedelta

import pytest

from lib_one.bus import Delivery
from lib_one.contracts.auth import UserEnabled
from lib_one.errors import ReplayRefusedError
from lib_one.event import Message, event, new_id, utc_now
from lib_one.nats import APP_PROJECTOR, replay
from lib_one.testing import NatsServer, eventually


def fact() -> Message:
    message = event(UserEnabled(user_id=new_id()), source="/app-svc", now=utc_now).encode()
    return Message("shipments.x.registered", message.headers, message.body)


async def test_what_was_read_is_read_again_from_a_place_or_a_moment_on(
    locked_server: NatsServer, make_bus, run
) -> None:
    bus = await make_bus(locked_server, "app-svc", key=True)
    seen: list[int] = []
    open_ = asyncio.Event()
    open_.set()

    async def note(delivery: Delivery) -> None:
        await open_.wait()
        seen.append(delivery.stream_sequence)

    async def all_read() -> bool:
        return await bus.backlog(APP_PROJECTOR) == 0

    await bus.publish([fact() for _ in range(6)])
    run(bus.consume(APP_PROJECTOR, note))
    await eventually(lambda: sorted(seen) == [1, 2, 3, 4, 5, 6])
    await eventually(all_read)

    seen.clear()
    again = await replay(bus, APP_PROJECTOR, sequence=4)
    assert again.sequence == 4
    await eventually(lambda: sorted(seen) == [4, 5, 6])
    await eventually(all_read)

    seen.clear()
    between = utc_now()
    await bus.publish([fact(), fact()])
    await eventually(lambda: len(seen) == 2)
    await eventually(all_read)
    seen.clear()
    assert (await replay(bus, APP_PROJECTOR, since=between)).sequence == 7
    await eventually(lambda: sorted(seen) == [7, 8])
    await eventually(all_read)

    with pytest.raises(ReplayRefusedError, match="nothing that was stored since"):
        await replay(bus, APP_PROJECTOR, since=utc_now() + timedelta(hours=1))
    with pytest.raises(ReplayRefusedError, match="has not come to 9 yet"):
        await replay(bus, APP_PROJECTOR, sequence=9)

    # What is under way is not skipped, although the wished place lies behind it.
    seen.clear()
    open_.clear()
    await bus.publish([fact(), fact()])

    async def under_way() -> bool:
        session = await bus.ready()
        info = await session.api(dict, f"CONSUMER.INFO.SHIPMENTS.{APP_PROJECTOR.durable}")
        return info["delivered"]["stream_seq"] == 10

    await eventually(under_way)
    assert (await replay(bus, APP_PROJECTOR, sequence=10)).sequence == 9
    open_.set()
    await eventually(lambda: {9, 10} <= set(seen))
    await eventually(all_read)
