"""The endpoints of this moment, in memory: who wants what, and where it is sent. It hears what is recorded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from lib_one.event import Contract, Event, Message, new_id
from lib_one.sql import Connection, Database
from lib_one.webhooks import store
from lib_one.webhooks.flow import TEST_TYPE, Delivery, Endpoint, name_of, wants


class Payload(msgspec.Struct, frozen=True):
    """The body of a message."""

    type: str
    timestamp: datetime
    """When it happened."""
    data: msgspec.Raw


_encode = msgspec.json.Encoder().encode


class Registry:
    """Reloaded now and then, since another process may have changed the table."""

    def __init__(self, database: Database, known: Iterable[type[Contract]]) -> None:
        """`known` are the facts that an endpoint can want."""
        self._database = database
        self._known = {name_of(contract): contract for contract in known}
        self._kept: list[Endpoint] = []
        self.enabled: Mapping[str, Endpoint] = {}
        """By id."""
        self.wanted: Mapping[type[Contract], tuple[str, ...]] = {}
        """The ids of who wants it, by kind of fact."""
        self.recorded = False
        """Something was recorded since the worker last cleared this; it need not be committed yet."""

    @property
    def types(self) -> Iterable[str]:
        """The names of what an endpoint can want."""
        return self._known

    async def reload(self) -> bool:
        """Look again; True if something changed."""
        kept = await self._database.glance(store.everything)
        if kept == self._kept:
            return False
        self._kept = kept
        self.enabled = {each.endpoint_id: each for each in kept if each.state == "enabled"}
        wanted = {
            contract: tuple(id_ for id_, endpoint in self.enabled.items() if wants(endpoint.types, name))
            for name, contract in self._known.items()
        }
        self.wanted = {contract: ids for contract, ids in wanted.items() if ids}
        return True

    def hear(self, connection: Connection, facts: Sequence[tuple[Event, Message]]) -> None:
        """Let facts wait for whoever wants them (see `lib_one.sql.outbox.Audience`)."""
        wanted, new = self.wanted, []
        for event, message in facts:
            name = name_of(type(event.data))
            body = _encode(Payload(name, event.time, msgspec.Raw(message.body)))
            new += [_delivery(id_, event.id, name, body) for id_ in wanted.get(type(event.data), ())]
        if new:
            store.post(connection, new, now=facts[0][0].time)
            self.recorded = True

    @staticmethod
    def post_test(connection: Connection, endpoint_id: str, *, now: datetime) -> str:
        """Let a message wait that says nothing but that messages arrive; return the delivery's id."""
        data = msgspec.Raw(_encode({"webhook_id": endpoint_id}))
        delivery = _delivery(endpoint_id, new_id(), TEST_TYPE, _encode(Payload(TEST_TYPE, now, data)))
        store.post(connection, [delivery], now=now)
        return delivery.delivery_id


def _delivery(endpoint_id: str, event_id: str, name: str, body: bytes) -> Delivery:
    return Delivery(
        delivery_id=new_id(),
        endpoint_id=endpoint_id,
        event_id=event_id,
        type=name,
        body=body,
        attempts=0,
        tried_since=None,
    )
