"""What an operator does with webhooks. A service checks who asks, reads the body, and answers with what it gets."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from lib_one.event import Now, new_id
from lib_one.sql import Connection, Database
from lib_one.sql.database import WorkFunction
from lib_one.webhooks import store
from lib_one.webhooks.ending import Ending
from lib_one.webhooks.flow import (
    DeliveryState,
    Endpoint,
    State,
    UnknownWebhookError,
    WebhookError,
    checked_types,
    checked_url,
)
from lib_one.webhooks.registry import Registry
from lib_one.webhooks.secrets import Secrets

type Description = Annotated[str, Meta(max_length=200)]


class WebhookWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that makes an endpoint."""

    url: str
    types: list[str]
    """Names of events, patterns such as `shipment.*`, or `*`."""
    description: Description = ""


class WebhookChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that changes an endpoint: what is left out stays as it is."""

    url: str | UnsetType = UNSET
    types: list[str] | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    state: State | UnsetType = UNSET


class SecretWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that gives an endpoint another secret."""

    overlap_hours: Annotated[int, Meta(ge=0, le=168)] = 24
    """For so long the secret that it has signs as well."""


class RedeliveryWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body that lets something be sent once more: one delivery, or all that failed since a time."""

    delivery_id: Annotated[str, Meta(max_length=36)] | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None


class Webhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint, as an operator sees it. What is not so is left out."""

    id: str
    url: str
    types: tuple[str, ...]
    description: str
    state: State
    waiting: int
    """How many events are on their way to it."""
    created_at: datetime
    reason: str | None = None
    """Why it is disabled: `unreachable` for a day, `gone` (it answered 410), or the `operator` wanted it."""
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    """The first failure since something arrived."""
    old_secret_until: datetime | None = None
    """Until then the secret before signs as well."""


class WebhookWithSecret(Webhook, frozen=True, kw_only=True):
    """The same with its secret, which is shown this once."""

    secret: str


class Webhooks(msgspec.Struct, frozen=True):
    """All endpoints, the oldest first."""

    webhooks: list[Webhook]


class DeliveryPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the log of an endpoint, newest first."""

    deliveries: list[store.Logged]
    before: str | None = None
    """Go on with this; without it there are no more."""


class Redelivered(msgspec.Struct, frozen=True):
    """How many are on their way once more."""

    deliveries: int


class Tested(msgspec.Struct, frozen=True):
    """A test is on its way."""

    delivery_id: str


BODIES = (
    WebhookWanted,
    WebhookChange,
    SecretWanted,
    RedeliveryWanted,
    Webhook,
    WebhookWithSecret,
    Webhooks,
    DeliveryPage,
    Redelivered,
    Tested,
)
"""What requests and answers are made of."""


class Desk:
    """The verbs. What cannot be is a `WebhookError`."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        secrets: Secrets,
        ending: Ending,
        *,
        now: Now,
        loopback: bool,
        wake: Callable[[], None],
    ) -> None:
        """With `loopback`, endpoints may be on this machine. `wake` calls the worker."""
        self._database = database
        self._registry = registry
        self._secrets = secrets
        self._ending = ending
        self._now = now
        self._loopback = loopback
        self._wake = wake

    async def create(self, wanted: WebhookWanted) -> WebhookWithSecret:
        """Make an endpoint. Its secret is in the answer and nowhere else."""
        url = checked_url(wanted.url, loopback=self._loopback)
        types = checked_types(wanted.types, self._registry.types)
        secret, sealed = self._secrets.make()
        endpoint = Endpoint(
            endpoint_id=new_id(),
            url=url,
            types=types,
            description=wanted.description,
            state="enabled",
            reason=None,
            disabled_at=None,
            failing_since=None,
            secret_sealed=sealed,
            old_secret_sealed=None,
            old_secret_until=None,
            created_at=self._now(),
        )
        await self._do(lambda connection: store.add(connection, endpoint))
        return WebhookWithSecret(**_shown(endpoint, 0), secret=secret)

    async def everything(self) -> Webhooks:
        """All endpoints."""
        kept, waiting = await self._database.read(lambda c: (store.everything(c), store.waiting(c)))
        return Webhooks([Webhook(**_shown(each, waiting.get(each.endpoint_id, 0))) for each in kept])

    async def find(self, endpoint_id: str) -> Webhook:
        """One of them."""
        return await self._database.read(lambda connection: _seen(connection, endpoint_id))

    async def change(self, endpoint_id: str, wanted: WebhookChange) -> Webhook:
        """Change what is named. One that is enabled again gets what happens from now on."""
        changes: dict[str, Any] = {}
        if wanted.url is not UNSET:
            changes["url"] = checked_url(wanted.url, loopback=self._loopback)
        if wanted.types is not UNSET:
            changes["types"] = checked_types(wanted.types, self._registry.types)
        if wanted.description is not UNSET:
            changes["description"] = wanted.description

        def unit(connection: Connection) -> Webhook:
            endpoint = msgspec.structs.replace(_found(connection, endpoint_id), **changes)
            if wanted.state == "enabled" and endpoint.state == "disabled":
                endpoint = msgspec.structs.replace(
                    endpoint, state="enabled", reason=None, disabled_at=None, failing_since=None
                )
            store.change(connection, endpoint)
            if wanted.state == "disabled" and endpoint.state == "enabled":
                self._ending.disable(connection, endpoint, "operator", now=self._now())
            return _seen(connection, endpoint_id)

        return await self._do(unit)

    async def remove(self, endpoint_id: str) -> None:
        """Forget it, and what waits for it."""

        def unit(connection: Connection) -> None:
            if not store.remove(connection, endpoint_id):
                raise UnknownWebhookError

        await self._do(unit)

    async def rotate(self, endpoint_id: str, wanted: SecretWanted) -> WebhookWithSecret:
        """Give it another secret. The one that it has signs as well for some hours."""
        overlap = timedelta(hours=wanted.overlap_hours)

        def unit(connection: Connection) -> WebhookWithSecret:
            endpoint = _found(connection, endpoint_id)
            secret, changed = self._secrets.rotate(endpoint, now=self._now(), overlap=overlap)
            store.change(connection, changed)
            return WebhookWithSecret(**msgspec.structs.asdict(_seen(connection, endpoint_id)), secret=secret)

        return await self._do(unit)

    async def test(self, endpoint_id: str) -> Tested:
        """Send a message that says nothing but that messages arrive."""

        def unit(connection: Connection) -> str:
            _enabled(connection, endpoint_id)
            return self._registry.post_test(connection, endpoint_id, now=self._now())

        return Tested(await self._do(unit))

    async def log(
        self,
        endpoint_id: str,
        *,
        state: DeliveryState | None = None,
        delivery_id: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> DeliveryPage:
        """What was sent or is to be sent, with each attempt, newest first."""

        def look(connection: Connection) -> list[store.Logged]:
            _found(connection, endpoint_id)
            return store.log(
                connection, endpoint_id, state=state, delivery_id=delivery_id, before=before, limit=limit + 1
            )

        found = await self._database.read(look)
        return DeliveryPage(found[:limit], found[limit - 1].delivery_id if len(found) > limit else None)

    async def redeliver(self, endpoint_id: str, wanted: RedeliveryWanted) -> Redelivered:
        """Send one delivery once more, or all that failed and were recorded since a time, under the same ids."""
        if (wanted.delivery_id is None) == (wanted.since is None):
            raise WebhookError("say either delivery_id or since")

        def unit(connection: Connection) -> int:
            _enabled(connection, endpoint_id)
            count = store.renew(
                connection, endpoint_id, now=self._now(), delivery_id=wanted.delivery_id, since=wanted.since
            )
            if wanted.delivery_id is not None and not count:
                raise UnknownWebhookError
            return count

        return Redelivered(await self._do(unit))

    async def _do[T](self, unit: WorkFunction[T]) -> T:
        """Change something: whoever records knows with the commit, who sends here at once, elsewhere within seconds."""
        result = await self._database.work(unit)
        await self._registry.reload()
        self._wake()
        return result


def _found(connection: Connection, endpoint_id: str) -> Endpoint:
    endpoint = store.find(connection, endpoint_id)
    if endpoint is None:
        raise UnknownWebhookError
    return endpoint


def _enabled(connection: Connection, endpoint_id: str) -> None:
    if _found(connection, endpoint_id).state == "disabled":
        raise WebhookError("state: the webhook is disabled; enable it first")


def _seen(connection: Connection, endpoint_id: str) -> Webhook:
    return Webhook(**_shown(_found(connection, endpoint_id), store.waiting(connection).get(endpoint_id, 0)))


def _shown(endpoint: Endpoint, waiting: int) -> dict[str, Any]:
    """What an operator may see: the secrets are not among it."""
    names = ("url", "types", "description", "state", "reason", "disabled_at", "failing_since", "created_at")
    return {
        "id": endpoint.endpoint_id,
        "waiting": waiting,
        "old_secret_until": endpoint.old_secret_until,
        **{name: getattr(endpoint, name) for name in names},
    }
