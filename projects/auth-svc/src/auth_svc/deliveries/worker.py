"""The worker: sends what is due, many at once, and tries again what did not arrive."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from auth_svc.db import Connection, Ledger
from auth_svc.deliveries import store
from auth_svc.deliveries.flow import Compose, Delivery, Message
from auth_svc.deliveries.posting import Deliveries
from lib_one.contracts.auth import DeliveryAbandoned, DeliveryMade
from lib_one.courier import Courier, back_off
from lib_one.http import AsyncClient, HTTPError, InvalidURL
from lib_one.observe import get_logger
from lib_one.sql.database import WorkFunction

_log = get_logger(__name__)


class DeliveryWorker(Courier[Delivery, str | None]):
    """Carries what `Deliveries` posted."""

    def __init__(
        self, ledger: Ledger, deliveries: Deliveries, web: AsyncClient, composers: Mapping[str, Compose]
    ) -> None:
        """`web` is a guarded client: the addresses are what strangers registered."""
        super().__init__(ledger.database, "deliveries")
        self._ledger = ledger
        self._deliveries = deliveries
        self._web = web
        self._composers = dict(composers)
        ledger.database.on_commit(self._committed)

    def _committed(self) -> None:
        if self._deliveries.posted:
            self._deliveries.posted = False
            self.wake()

    def due(self, room: int) -> WorkFunction[Sequence[Delivery]]:
        """See `Courier`."""
        full = [client_id for client_id in Counter(self._under_way.values()) if self.room_for(client_id) <= 0]
        now = self._ledger.now()
        return partial(store.due, now=now, limit=room, not_these=frozenset(self._under_way), not_to=full)

    async def attempt(self, item: Delivery) -> str | None:
        """Send it once; what is wrong, or None if there is nothing left to do."""
        try:
            message = self._composers[item.kind](item.payload)
            return None if message is None else await self._send(message)
        except Exception as error:
            # Whatever it is: it backs off like a client that is away, and ends some day.
            _log.exception("delivery broke", delivery_id=item.delivery_id, kind=item.kind)
            return type(error).__name__

    def arrived(self, result: str | None) -> bool:
        """See `Courier`."""
        return result is None

    async def settle(self, item: Delivery, result: str | None) -> None:
        """See `Courier`."""
        if result is not None:
            _log.warning("delivery failed", delivery_id=item.delivery_id, kind=item.kind, problem=result)
        await self._ledger.database.work(lambda connection: self._settle(connection, item, result))

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
