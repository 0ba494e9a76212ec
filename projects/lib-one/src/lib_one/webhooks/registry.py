"""The endpoints of this moment, in memory: who wants what, and where it is sent. It hears what is recorded."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from lib_one.event import Contract, Event, Message, new_id
from lib_one.sql import Connection, Database
from lib_one.sql.outbox import audience_version
from lib_one.webhooks import store
from lib_one.webhooks.flow import TEST_TYPE, Delivery, Endpoint, name_of, wants


class Payload(msgspec.Struct, frozen=True):
    """The body of a message."""

    type: str
    timestamp: datetime
    """When it happened."""
    data: msgspec.Raw


class View(msgspec.Struct, frozen=True):
    """The endpoints at one version of them."""

    version: str
    enabled: Mapping[str, Endpoint]
    """By id."""
    wanted: Mapping[type[Contract], tuple[str, ...]]
    """The ids of who wants it, by kind of fact."""


_encode = msgspec.json.Encoder().encode


class Registry:
    """What it knows has a version. Who records a fact sees the version of that transaction, and has it read again here.

    So a fact that is recorded after an endpoint was made waits for it, whichever process recorded it.
    """

    def __init__(self, database: Database, known: Iterable[type[Contract]]) -> None:
        """`known` are the facts that an endpoint can want."""
        self._database = database
        self._known = {name_of(contract): contract for contract in known}
        self._view = View("", {}, {})
        self.recorded = False
        """Something was recorded since the worker last cleared this; it need not be committed yet."""

    @property
    def types(self) -> Iterable[str]:
        """The names of what an endpoint can want."""
        return self._known

    @property
    def enabled(self) -> Mapping[str, Endpoint]:
        """The endpoints to which something is sent, by id, as they were last seen."""
        return self._view.enabled

    async def reload(self) -> bool:
        """Look again, for those who send; True if something changed."""
        before = self._view
        return await self._database.glance(lambda c: self._at(c, audience_version(c))) is not before

    def hear(self, connection: Connection, version: str, facts: Sequence[tuple[Event, Message]]) -> None:
        """Let facts wait for whoever wants them (see `lib_one.sql.outbox.Audience`)."""
        wanted, new = self._at(connection, version).wanted, []
        for event, message in facts:
            ids = wanted.get(type(event.data))
            if ids is not None:
                name = name_of(type(event.data))
                body = _encode(Payload(name, event.time, msgspec.Raw(message.body)))
                new += [_delivery(id_, event.id, name, body) for id_ in ids]
        if new:
            store.post(connection, new, now=facts[0][0].time)
            self.recorded = True

    def _at(self, connection: Connection, version: str) -> View:
        """What there is at this version, which is the one that the connection sees."""
        view = self._view
        if view.version == version:
            return view
        kept = store.everything(connection)
        enabled = {each.endpoint_id: each for each in kept if each.state == "enabled"}
        wanted = {
            contract: ids
            for name, contract in self._known.items()
            if (ids := tuple(id_ for id_, endpoint in enabled.items() if wants(endpoint.types, name)))
        }
        # Units of work run in several threads: whoever finds another version here than its own reads again.
        self._view = view = View(version, enabled, wanted)
        return view

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
