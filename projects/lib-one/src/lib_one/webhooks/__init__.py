"""Webhooks: the facts of a service as signed messages to addresses that its operator names (Standard Webhooks 1.0).

    flow       what an endpoint may be, what it wants, when a delivery is tried again
    store      the tables: endpoints, deliveries, attempts
    registry   the endpoints in memory; hears each fact in the unit of work that records it
    secrets    of endpoints, sealed at rest
    worker     signs and sends what is due
    ending     how an endpoint is disabled
    desk       what an operator does
    figures    for Prometheus

A service makes a `WebhookRoom`, has its `worker.run` and its `reload` run, and puts the `desk` behind addresses of its
own. Who receives needs `lib_one.webhook_signature` alone.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from random import Random
from types import ModuleType
from typing import Final

from lib_one.event import Contract, Now, contracts
from lib_one.http import AsyncClient
from lib_one.secret_key import SecretKey
from lib_one.sql import Connection, Database, Outbox
from lib_one.webhooks.desk import (
    BODIES,
    DeliveryPage,
    Desk,
    Redelivered,
    RedeliveryWanted,
    SecretWanted,
    Tested,
    Webhook,
    WebhookChange,
    Webhooks,
    WebhookWanted,
    WebhookWithSecret,
)
from lib_one.webhooks.ending import Ending
from lib_one.webhooks.figures import add_webhooks
from lib_one.webhooks.flow import DeliveryState, UnknownWebhookError, WebhookError
from lib_one.webhooks.registry import Registry
from lib_one.webhooks.secrets import Secrets
from lib_one.webhooks.store import create_webhooks, forget
from lib_one.webhooks.worker import WebhookWorker

__all__ = [
    "BODIES",
    "TIMEOUT",
    "DeliveryPage",
    "DeliveryState",
    "Desk",
    "Redelivered",
    "RedeliveryWanted",
    "SecretWanted",
    "Tested",
    "UnknownWebhookError",
    "Webhook",
    "WebhookChange",
    "WebhookError",
    "WebhookRoom",
    "WebhookWanted",
    "WebhookWithSecret",
    "Webhooks",
    "add_webhooks",
    "create_webhooks",
    "facts_of",
    "forget_expired",
]

TIMEOUT: Final = 15.0
"""Seconds in which a receiver must have answered."""
KEPT: Final = timedelta(days=7)
"""How long a delivery and its attempts can be seen, and be made once more, after it arrived or was given up."""


def facts_of(*modules: ModuleType) -> tuple[type[Contract], ...]:
    """The contracts of these modules, with those about webhooks themselves: what an endpoint can want."""
    names = {module.__name__ for module in modules} | {"lib_one.contracts.webhooks"}
    return tuple(contract for contract in contracts().values() if contract.__module__ in names)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what is too old, up to so many; return how many."""
    return forget(connection, before=now - KEPT, limit=limit)


class WebhookRoom:
    """The webhooks of one service, wired."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        secret_key: SecretKey,
        web: AsyncClient,
        *,
        service: str,
        facts: Iterable[type[Contract]],
        loopback: bool,
        now: Now,
        dice: Callable[[], float] | None = None,
    ) -> None:
        """`web` is a guarded client, `facts` are what an endpoint can want.

        With `loopback` an endpoint may be on this machine. `dice` gives numbers from 0 to 1, at random by default.
        """
        secrets = Secrets(secret_key)
        ending = Ending(outbox, service)
        self.registry = Registry(database, facts)
        self.worker = WebhookWorker(
            database,
            self.registry,
            secrets,
            ending,
            web,
            now=now,
            dice=dice or Random().random,  # noqa: S311 - no secret comes of it
        )
        self.desk = Desk(database, self.registry, secrets, ending, now=now, loopback=loopback, wake=self.worker.wake)
        outbox.audience = self.registry

    async def reload(self) -> bool:
        """See what another process changed; True if something did."""
        return await self.registry.reload()
