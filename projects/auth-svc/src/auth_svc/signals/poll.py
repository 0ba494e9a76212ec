"""/ssf/poll: a receiver takes what waits in its stream, and says what it has taken before (RFC 8936)."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Annotated, Final

import msgspec

from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidRequest
from auth_svc.keys import KeyRing
from auth_svc.protocol import SSF_MANAGE, SSF_READ
from auth_svc.signals import store
from auth_svc.signals.bell import NET, Bell
from auth_svc.signals.events import ALGORITHM, POLL, TOKEN_TYPE
from auth_svc.signals.refusals import SignalProblem, settle
from auth_svc.signals.routes import Receivers
from auth_svc.signals.streams import Streams, UnknownStream
from auth_svc.wire import Request, Response, json_response

MOST: Final = 100
"""Tokens in an answer."""


class Poll(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of a poll (RFC 8936 section 2.2)."""

    max_events: Annotated[int, msgspec.Meta(ge=0)] = MOST
    return_immediately: bool = False
    ack: tuple[str, ...] = ()
    set_errs: dict[str, SignalProblem] = {}


class PollEndpoint:
    """POST /ssf/poll. Without `returnImmediately` the answer waits until there is a signal, for some time."""

    def __init__(
        self,
        ledger: Ledger,
        receivers: Receivers,
        streams: Streams,
        keys: KeyRing,
        bell: Bell,
        *,
        wait: timedelta,
        uri: str,
    ) -> None:
        """`wait` is how long an answer waits, `uri` the address of this endpoint, as proofs name it."""
        self._ledger = ledger
        self._receivers = receivers
        self._streams = streams
        self._keys = keys
        self._bell = bell
        self._wait = wait.total_seconds()
        self._uri = uri
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def __call__(self, request: Request) -> Response:
        """Forget what was taken, then answer with what waits: nothing is forgotten before the receiver says so."""
        return await self._receivers.answer(
            request, self._respond, uri=self._uri, scopes=frozenset({SSF_READ, SSF_MANAGE})
        )

    async def _respond(self, request: Request, client: Client) -> Response:
        try:
            poll = msgspec.json.decode(await request.body(), type=Poll)
        except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
            raise InvalidRequest("the body does not have the shape") from error
        stream = await self._ledger.database.glance(partial(self._polled, client.client_id))
        if poll.ack or poll.set_errs:
            await self._ledger.database.work(lambda connection: self._settle(connection, stream, poll))
        most = min(poll.max_events, MOST)
        if most == 0 or poll.return_immediately:
            found = await self._page(stream.stream_id, most)
        else:
            found = await self._wait_for(request, stream.stream_id, most)
        sets = {signal.signal_id: self._keys.sign(ALGORITHM, TOKEN_TYPE, signal.claims) for signal in found[:most]}
        return json_response({"sets": sets, "moreAvailable": len(found) > most})

    def _polled(self, client_id: str, connection: Connection) -> store.Stream:
        stream = self._streams.of(connection, client_id, stream_id=None)
        if stream.method != POLL:
            raise UnknownStream("the stream is pushed")
        return stream

    def _settle(self, connection: Connection, stream: store.Stream, poll: Poll) -> None:
        # What is no id was never sent, and PostgreSQL could not even look for a NUL.
        store.taken(connection, stream.stream_id, filter(str.isprintable, poll.ack))
        for signal_id, problem in poll.set_errs.items():
            if signal_id.isprintable():
                settle(connection, stream, signal_id, problem, ledger=self._ledger)

    async def _page(self, stream_id: str, most: int) -> list[store.Signal]:
        """One more than may be sent, to know whether there are more."""
        return await self._ledger.database.glance(partial(store.waiting, stream_id=stream_id, limit=most + 1))

    async def _wait_for(self, request: Request, stream_id: str, most: int) -> list[store.Signal]:
        """Look again whenever signals were recorded, until one is there.

        A poll that comes meanwhile ends this one, and so does the receiver that goes away.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait
        before, replaced = self._waiting.get(stream_id), loop.create_future()
        if before is not None and not before.done():
            before.set_result(None)
        self._waiting[stream_id] = replaced
        gone = asyncio.create_task(request.gone())
        try:
            while True:
                ring = self._bell.next_ring()
                found = await self._page(stream_id, most)
                left = until - loop.time()
                if found or left <= 0 or replaced.done() or gone.done():
                    return found
                await asyncio.wait((ring, replaced, gone), timeout=min(left, NET), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if self._waiting.get(stream_id) is replaced:
                del self._waiting[stream_id]
