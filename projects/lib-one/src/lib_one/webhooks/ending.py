"""How an endpoint is disabled, by whomever: what waits for it is given up, and the fact is told."""

from datetime import datetime
from typing import Literal

import msgspec

from lib_one.contracts.webhooks import WebhookDisabled
from lib_one.sql import Connection, Outbox
from lib_one.webhooks import store
from lib_one.webhooks.flow import Endpoint

type Reason = Literal["unreachable", "gone", "operator"]


class Ending:
    """Disables endpoints of one service."""

    def __init__(self, outbox: Outbox, service: str) -> None:
        self._outbox = outbox
        self._service = service

    def disable(self, connection: Connection, endpoint: Endpoint, reason: Reason, *, now: datetime) -> Endpoint:
        """Send nothing more to it; part of a unit of work."""
        disabled = msgspec.structs.replace(endpoint, state="disabled", reason=reason, disabled_at=now)
        store.change(connection, disabled)
        store.give_up(connection, endpoint.endpoint_id, now=now)
        fact = WebhookDisabled(webhook_id=endpoint.endpoint_id, service=self._service, reason=reason)
        self._outbox.record(connection, fact)
        return disabled
