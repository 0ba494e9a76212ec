"""The worker that pushes signals (RFC 8935): the streams beside each other, what waits in one in order.

A signal is forgotten only after its receiver has taken it, so a crash sends it twice rather than never. A receiver that
is away holds up nobody but itself: its first signal is tried again, longer and longer after, and the others wait.
"""

import asyncio
from functools import partial
from typing import Final

import msgspec

from auth_svc.clients import Clients
from auth_svc.db import Connection, Ledger
from auth_svc.keys import KeyRing
from auth_svc.secret_key import SecretKey
from auth_svc.signals import store
from auth_svc.signals.bell import NET, Bell
from auth_svc.signals.description import AUTHORIZATION_PURPOSE
from auth_svc.signals.events import ALGORITHM, MEDIA_TYPE, PUSH, TOKEN_TYPE
from auth_svc.signals.refusals import SignalProblem, settle
from lib_one.courier import back_off
from lib_one.http import AsyncClient, HTTPError, InvalidURL, Response
from lib_one.observe import get_logger

PARALLEL: Final = 32
"""Streams that are pushed to at once."""

_log = get_logger(__name__)


class PushWorker:
    """Pushes what waits, as long as this process is the one that does."""

    def __init__(
        self, ledger: Ledger, clients: Clients, keys: KeyRing, secret_key: SecretKey, web: AsyncClient, bell: Bell
    ) -> None:
        """`web` is a guarded client: the addresses are what receivers said."""
        self._ledger = ledger
        self._clients = clients
        self._keys = keys
        self._secret_key = secret_key
        self._web = web
        self._bell = bell
        self._under_way: set[str] = set()

    async def run(self) -> None:
        """Push until cancelled. Whoever is away, the database included, is waited for."""
        await self._ledger.database.alone("signals", self._work, woken=self._bell.ring)

    async def _work(self) -> None:
        self._under_way.clear()
        async with asyncio.TaskGroup() as tasks:
            while True:
                ring = self._bell.next_ring()
                try:
                    await self._begin(tasks)
                except Exception:
                    # A worker that died would be a silent loss: whatever it is, say it and try again.
                    _log.exception("pushing signals failed")
                await asyncio.wait((ring,), timeout=NET)

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin with the streams in which something is due, as far as there is room."""
        room = PARALLEL - len(self._under_way)
        if room <= 0:
            return
        now = self._ledger.now()
        busy = frozenset(self._under_way)
        found = await self._ledger.database.glance(partial(store.due, now=now, limit=room, not_these=busy))
        for stream_id in found:
            self._under_way.add(stream_id)
            tasks.create_task(self._empty(stream_id))

    async def _empty(self, stream_id: str) -> None:
        """Push one after the other, until nothing waits or one does not arrive."""
        try:
            while await self._push_first(stream_id):
                pass
        except Exception:
            # It is still in the table, and due.
            _log.exception("signal not settled", stream_id=stream_id)
            await asyncio.sleep(NET)
        finally:
            self._under_way.discard(stream_id)
            self._bell.ring()

    async def _push_first(self, stream_id: str) -> bool:
        """Push the first that waits; False if there is none, or it did not arrive."""
        stream, signal = await self._ledger.database.glance(partial(_first, stream_id=stream_id))
        if stream is None or signal is None:
            return False
        try:
            problem = await self._send(stream, signal)
        except Exception as error:
            # Whatever it is: it backs off like a receiver that is away.
            _log.exception("push broke", stream_id=stream_id)
            problem = type(error).__name__
        if isinstance(problem, str):
            _log.warning("signal not taken", stream_id=stream_id, client_id=stream.client_id, problem=problem)
        await self._ledger.database.work(lambda connection: self._settle(connection, stream, signal, problem))
        return not isinstance(problem, str)

    async def _send(self, stream: store.Stream, signal: store.Signal) -> SignalProblem | str | None:
        """Send it once: None if it was taken, a `SignalProblem` if it never will be, else what is wrong."""
        if self._clients.find(stream.client_id) is None:
            return "the receiver is disabled"
        headers = {"content-type": MEDIA_TYPE, "accept": "application/json"}
        if stream.authorization_sealed is not None:
            opened = self._secret_key.unseal(stream.authorization_sealed, purpose=AUTHORIZATION_PURPOSE)
            headers["authorization"] = opened.decode()
        token = self._keys.sign(ALGORITHM, TOKEN_TYPE, signal.claims)
        try:
            response = await self._web.post(stream.endpoint_url or "", content=token.encode(), headers=headers)
        except (HTTPError, InvalidURL) as error:
            return type(error).__name__  # its words may quote the address, and an address can hold a secret
        return _problem(response)

    def _settle(
        self, connection: Connection, stream: store.Stream, signal: store.Signal, problem: SignalProblem | str | None
    ) -> None:
        """Forget what arrived or is refused for good, put off what did not."""
        if isinstance(problem, str):
            attempts = stream.attempts + 1
            until = self._ledger.now() + back_off(attempts)
            store.postpone(connection, stream.stream_id, attempts=attempts, until=until)
            return
        if problem is None:
            store.taken(connection, stream.stream_id, [signal.signal_id])
        else:
            settle(connection, stream, signal.signal_id, problem, ledger=self._ledger)
        if stream.attempts:
            store.reached(connection, stream.stream_id)


def _first(connection: Connection, stream_id: str) -> tuple[store.Stream | None, store.Signal | None]:
    stream = store.find(connection, stream_id)
    if stream is None or stream.method != PUSH:
        return None, None
    waiting = store.waiting(connection, stream_id, limit=1)
    return stream, waiting[0] if waiting else None


def _problem(response: Response) -> SignalProblem | str | None:
    """What an answer says: 202 is the one that means taken (RFC 8935 section 2.2)."""
    if response.is_success:
        return None
    if response.status_code == 400:
        try:
            said = msgspec.json.decode(response.content, type=SignalProblem)
        except (ValueError, RecursionError):
            said = SignalProblem()
        if said.err:
            return said if said.is_final else f"HTTP 400 {said.code}"
    return f"HTTP {response.status_code}"
