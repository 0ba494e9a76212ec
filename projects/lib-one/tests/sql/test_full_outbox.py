"""An outbox in which much waits: drained oldest first, each aggregate in order, a bounded part in memory."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from lib_one.bus import After, Bus, Handler, Stored, StreamState, Subscription
from lib_one.contracts.shipping import Place, ShipmentDelivered
from lib_one.errors import BusUnavailableError
from lib_one.event import Message, utc_now
from lib_one.sql import Database, Outbox, Relay
from lib_one.sql import relay as relay_module
from lib_one.testing import eventually, in_background

AGGREGATES = 20
WAITING = 5 * relay_module.BATCH + 1


class CountingBus(Bus):
    """Takes everything but the second call, and remembers what it was given and how much at a time."""

    def __init__(self) -> None:
        self.stored: list[Message] = []
        self.calls = 0
        self.held = 0
        self.most_held = 0

    async def publish(
        self, messages: Sequence[Message], *, after: After | None = None
    ) -> Sequence[Stored | BaseException]:
        self.calls += 1
        self.held += len(messages)
        self.most_held = max(self.most_held, self.held)
        try:
            if self.calls == 2:
                return [BusUnavailableError("timed out") for _ in messages]
            self.stored += messages
            return [Stored("SHIPMENTS", len(self.stored)) for _ in messages]
        finally:
            self.held -= len(messages)

    async def streams(self) -> Sequence[StreamState]:
        return ()

    async def consume(self, subscription: Subscription, handler: Handler) -> None:
        raise NotImplementedError


def fact(number: int) -> ShipmentDelivered:
    return ShipmentDelivered(
        shipment_id=f"s{number % AGGREGATES}",
        revision=number,
        place=Place(name="here"),
        delivered_at=utc_now(),
        recorded_by="me",
    )


async def test_it_is_drained_oldest_first_and_only_a_batch_of_it_is_ever_in_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BACK_OFF", (0.005, 0.02))
    glance, fetched, bus = database.glance, [], CountingBus()

    async def counted(query: Callable[[Connection], Any]) -> Any:
        assert bus.held == 0  # what was read before has been dealt with
        rows = await glance(query)
        fetched.append(len(rows))
        return rows

    outbox = Outbox(source="/test", now=utc_now)
    await database.work(lambda c: outbox.record(c, *(fact(number) for number in range(WAITING))))
    monkeypatch.setattr(database, "glance", counted)
    relay = Relay(database, bus, now=utc_now)
    async with in_background(relay.run()):
        await eventually(lambda: relay.published == WAITING)
    assert max(fetched) == relay_module.BATCH
    assert bus.most_held <= relay_module.BATCH
    numbers = [int(message.body.split(b'"revision":')[1].split(b",")[0]) for message in bus.stored]
    assert sorted(numbers) == list(range(WAITING))  # none lost, none twice
    for aggregate in range(AGGREGATES):
        own = [number for number in numbers if number % AGGREGATES == aggregate]
        assert own == sorted(own)
    # Oldest first: whatever is sent lies within a batch of the oldest that is not.
    assert all(number < place + relay_module.BATCH for place, number in enumerate(numbers))
    assert await relay.pending() == 0
