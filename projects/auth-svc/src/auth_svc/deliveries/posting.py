"""The verb of deliveries: whoever must tell a client something posts it in the unit of work that makes it true."""

from datetime import timedelta

from auth_svc.db import Connection, Ledger
from auth_svc.deliveries import store
from auth_svc.deliveries.flow import Delivery
from lib_one.event import new_id


class Deliveries:
    """Where messages to clients are posted."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.posted = False
        """Something was posted since the worker last cleared this; it need not be committed yet."""

    def post(self, connection: Connection, *, kind: str, client_id: str, payload: bytes, life: timedelta) -> str:
        """Let a message be delivered after the commit, and tried again for `life`; return its id.

        `kind` is a key of the worker's table. `payload` is what that composes the message from; it is kept as it is, so
        a secret in it must be sealed first.
        """
        now = self._ledger.now()
        delivery = Delivery(delivery_id=new_id(), kind=kind, client_id=client_id, payload=payload, attempts=0)
        store.add(connection, delivery, now=now, give_up_at=now + life)
        self.posted = True
        return delivery.delivery_id
