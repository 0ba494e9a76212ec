"""The worker: sends what is due, many at once, and tries again what did not arrive.

A delivery is forgotten only after the client has taken it, so a crash sends it twice rather than never. One worker
works at a time, however many processes there are. A client that is away holds up nobody else: it has at most `SHARE` of
the connections, and one as long as it fails.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from functools import partial

from auth_svc.db import Connection, Ledger
from auth_svc.deliveries import store
from auth_svc.deliveries.flow import Compose, Delivery, Message, back_off
from auth_svc.deliveries.posting import Deliveries
from lib_one.contracts.auth import DeliveryAbandoned, DeliveryMade
from lib_one.http import AsyncClient, HTTPError, InvalidURL
from lib_one.observe import get_logger

PARALLEL = 32
"""Messages under way at once."""
SHARE = 4
"""Of them, to one client."""
POLL = 1.0
"""Seconds after which the table is looked at even if nobody posted here: another process may have."""

_log = get_logger(__name__)


class DeliveryWorker:
    """Carries what `Deliveries` posted."""

    def __init__(
        self, ledger: Ledger, deliveries: Deliveries, web: AsyncClient, composers: Mapping[str, Compose]
    ) -> None:
        """`web` is a guarded client: the addresses are what strangers registered."""
        self._ledger = ledger
        self._deliveries = deliveries
        self._web = web
        self._composers = dict(composers)
        self._wake = asyncio.Event()
        self._under_way: dict[str, str] = {}
        self._failing: set[str] = set()
        ledger.database.on_commit(self._committed)

    async def run(self) -> None:
        """Deliver until cancelled. Whoever is away, the database included, is waited for."""
        await self._ledger.database.alone("deliveries", self._work, woken=self._wake.set)

    def _committed(self) -> None:
        if self._deliveries.posted:
            self._deliveries.posted = False
            self._wake.set()

    async def _work(self) -> None:
        self._under_way.clear()
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._wake.clear()
                try:
                    await self._begin(tasks)
                except Exception:
                    # A worker that died would be a silent loss: whatever it is, say it and try again.
                    _log.exception("deliveries failed")
                    await asyncio.sleep(POLL)
                try:
                    async with asyncio.timeout(POLL):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """Begin what is due, as far as there is room."""
        while (room := PARALLEL - len(self._under_way)) > 0:
            now = self._ledger.now()
            loads = Counter(self._under_way.values())
            full = [client_id for client_id in loads if loads[client_id] >= self._share(client_id)]
            found = await self._ledger.database.glance(
                partial(store.due, now=now, limit=room, not_these=list(self._under_way), not_to=full)
            )
            if not found:
                return
            for delivery in found:
                if loads[delivery.client_id] < self._share(delivery.client_id):
                    loads[delivery.client_id] += 1
                    self._under_way[delivery.delivery_id] = delivery.client_id
                    tasks.create_task(self._deliver(delivery))

    def _share(self, client_id: str) -> int:
        return 1 if client_id in self._failing else SHARE

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            problem = await self._attempt(delivery)
            if problem is not None:
                _log.warning("delivery failed", delivery_id=delivery.delivery_id, kind=delivery.kind, problem=problem)
            await self._ledger.database.work(lambda connection: self._settle(connection, delivery, problem))
        except Exception:
            # It is still in the table, and due.
            _log.exception("delivery not settled", delivery_id=delivery.delivery_id)
            await asyncio.sleep(POLL)
        finally:
            self._under_way.pop(delivery.delivery_id, None)
            self._wake.set()

    async def _attempt(self, delivery: Delivery) -> str | None:
        """Send it once; what is wrong, or None if there is nothing left to do."""
        try:
            message = self._composers[delivery.kind](delivery.payload)
            if message is None:
                return None
            problem = await self._send(message)
        except Exception as error:
            # Whatever it is: it backs off like a client that is away, and ends some day.
            _log.exception("delivery broke", delivery_id=delivery.delivery_id, kind=delivery.kind)
            problem = type(error).__name__
        if problem is None:
            self._failing.discard(delivery.client_id)
        else:
            self._failing.add(delivery.client_id)
        return problem

    async def _send(self, message: Message) -> str | None:
        try:
            response = await self._web.post(message.url, content=message.body, headers=message.headers)
        except (HTTPError, InvalidURL) as error:
            return type(error).__name__  # its words may quote the address, and an address can hold a secret
        # A redirect is none of ours to follow, and so a failure like every other.
        return None if response.is_success else f"HTTP {response.status_code}"

    def _settle(self, connection: Connection, delivery: Delivery, problem: str | None) -> None:
        """Forget what arrived, put off what did not, abandon what is too old."""
        attempts = delivery.attempts + 1
        told = {"delivery_id": delivery.delivery_id, "kind": delivery.kind, "client_id": delivery.client_id}
        if problem is None:
            if store.remove(connection, delivery.delivery_id):
                self._ledger.outbox.record(connection, DeliveryMade(**told, attempts=attempts))
            return
        until = self._ledger.now() + back_off(attempts)
        if not store.postpone(connection, delivery.delivery_id, attempts=attempts, until=until) and store.remove(
            connection, delivery.delivery_id
        ):
            self._ledger.outbox.record(connection, DeliveryAbandoned(**told, attempts=attempts, problem=problem))
