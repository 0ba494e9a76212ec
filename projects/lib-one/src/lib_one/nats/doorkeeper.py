"""Who is connected to the bus, and the way to end a connection: through the account of the servers themselves."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from nats.aio.msg import Msg

from lib_one.errors import BusUnavailableError
from lib_one.nats.callout import ACCOUNT
from lib_one.nats.connection import NatsConnection
from lib_one.nats.session import Session

LOOK_EVERY = 30.0
"""Seconds between two looks at all connections: the net under what the servers tell of each."""
PAGE = 1000
_EVENTS = f"$SYS.ACCOUNT.{ACCOUNT}"
_ALL_SERVERS = "$SYS.REQ.SERVER.PING.CONNZ"


class Connected(NamedTuple):
    """One connection of one server."""

    server: str
    cid: int
    """Its number there; a server never gives one twice."""


class Doorkeeper:
    """Tells who comes and who goes, on all servers, and ends connections.

    Args:
        connection: Of the user `door-keeper`.
        came: Called with each connection and the name that it was admitted under: those that are there at the start,
            and each that comes. It may be called with one that is known.
        gone: Called with each that has ended.
    """

    def __init__(
        self,
        connection: NatsConnection,
        *,
        came: Callable[[Connected, str], None],
        gone: Callable[[Connected], None],
    ) -> None:
        self._connection = connection
        self._came = came
        self._gone = gone
        self._kicks: asyncio.Queue[Connected | None] = asyncio.Queue()

    def kick(self, who: Connected) -> None:
        """End a connection. One that has ended already is no mistake."""
        self._kicks.put_nowait(who)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            session = await self._connection.session()
            session.on_end(self._wake)
            with contextlib.suppress(BusUnavailableError):
                await self._watch(session)

    def _wake(self) -> None:
        self._kicks.put_nowait(None)

    async def _watch(self, session: Session) -> None:
        inbox = session.client.new_inbox()

        async def page(message: Msg) -> None:
            with contextlib.suppress(BusUnavailableError):
                await self._page(session, message, inbox)

        await session.subscribe(f"{_EVENTS}.CONNECT", self._connect)
        await session.subscribe(f"{_EVENTS}.DISCONNECT", self._disconnect)
        await session.serve(inbox, page)
        while not session.ended.is_set():
            await session.publish(_ALL_SERVERS, _which(0), reply=inbox)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    while (who := await self._kicks.get()) is not None:
                        body = msgspec.json.encode({"cid": who.cid})
                        # The server does nothing for who wants no answer.
                        await session.publish(f"$SYS.REQ.SERVER.{who.server}.KICK", body, reply=f"{inbox}.done")

    async def _page(self, session: Session, message: Msg, inbox: str) -> None:
        answer = msgspec.json.decode(message.data, type=_Connz)
        for each in answer.data.connections:
            self._came(Connected(answer.server.id, each.cid), each.authorized_user)
        done = answer.data.offset + len(answer.data.connections)
        if answer.data.connections and done < answer.data.total:
            await session.publish(f"$SYS.REQ.SERVER.{answer.server.id}.CONNZ", _which(done), reply=inbox)

    def _connect(self, message: Msg) -> None:
        event = msgspec.json.decode(message.data, type=_ConnectionEvent)
        self._came(Connected(event.server.id, event.client.id), event.client.user)

    def _disconnect(self, message: Msg) -> None:
        event = msgspec.json.decode(message.data, type=_ConnectionEvent)
        self._gone(Connected(event.server.id, event.client.id))


def _which(offset: int) -> bytes:
    return msgspec.json.encode({"auth": True, "acc": ACCOUNT, "offset": offset, "limit": PAGE})


class _Server(msgspec.Struct):
    id: str


class _Client(msgspec.Struct):
    id: int
    user: str = ""


class _ConnectionEvent(msgspec.Struct):
    server: _Server
    client: _Client


class _One(msgspec.Struct):
    cid: int
    authorized_user: str = ""


class _Connections(msgspec.Struct):
    total: int
    offset: int
    connections: list[_One]


class _Connz(msgspec.Struct):
    server: _Server
    data: _Connections
