"""The worker: signs and sends what is due, and disables an endpoint at which nothing has arrived for a day."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from time import perf_counter

import msgspec

from lib_one.courier import Courier
from lib_one.event import Now
from lib_one.http import AsyncClient, HTTPError, InvalidURL, Response
from lib_one.observe import get_logger
from lib_one.sql import Connection, Database
from lib_one.sql.database import WorkFunction
from lib_one.webhook_signature import sign
from lib_one.webhooks import store
from lib_one.webhooks.ending import Ending, Reason
from lib_one.webhooks.flow import GONE, Attempt, Delivery, next_attempt
from lib_one.webhooks.registry import Registry
from lib_one.webhooks.secrets import Secrets

_log = get_logger(__name__)


class Outcome(msgspec.Struct, frozen=True):
    """An attempt, and for how long its receiver wants to be left alone."""

    attempt: Attempt
    retry_after: timedelta | None


class WebhookWorker(Courier[Delivery, Outcome]):
    """Carries what the registry heard."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        secrets: Secrets,
        ending: Ending,
        web: AsyncClient,
        *,
        now: Now,
        dice: Callable[[], float],
    ) -> None:
        """`web` is a guarded client; `dice` gives numbers from 0 to 1."""
        super().__init__(database, "webhooks")
        self._registry = registry
        self._secrets = secrets
        self._ending = ending
        self._web = web
        self._now = now
        self._dice = dice
        self.counts = {"delivered": 0, "postponed": 0, "failed": 0}
        """Attempts of this process, by what came of them."""
        database.on_commit(self._committed)

    def due(self, room: int) -> WorkFunction[Sequence[Delivery]]:
        """See `Courier`."""
        shares = {id_: share for id_ in self._registry.enabled if (share := self.room_for(id_)) > 0}
        return partial(_due, shares=shares, room=room, now=self._now(), not_these=frozenset(self.under_way))

    async def attempt(self, item: Delivery) -> Outcome:
        """Send it once."""
        at, began = self._now(), perf_counter()
        response: Response | None = None
        try:
            response = await self._send(item, at)
            problem = None if response is not None and response.is_success else _problem(response)
        except (HTTPError, InvalidURL) as error:
            problem = type(error).__name__  # its words may quote the address, and an address can hold a secret
        except Exception as error:
            # Whatever it is: it backs off like a receiver that is away, and ends some day.
            _log.exception("webhook broke", delivery_id=item.delivery_id, webhook_id=item.endpoint_id)
            problem = type(error).__name__
        attempt = Attempt(
            at=at,
            duration_ms=round((perf_counter() - began) * 1000),
            status=None if response is None else response.status_code,
            problem=problem,
        )
        return Outcome(attempt, None if response is None else _retry_after(response, at))

    def arrived(self, result: Outcome) -> bool:
        """See `Courier`."""
        return result.attempt.problem is None

    async def settle(self, item: Delivery, result: Outcome) -> None:
        """See `Courier`."""
        dice = self._dice()
        state, disabled = await self._database.work(lambda connection: self._settle(connection, item, result, dice))
        self.counts[state] += 1
        about = {"delivery_id": item.delivery_id, "webhook_id": item.endpoint_id}
        if result.attempt.problem is not None:
            _log.warning("webhook not delivered", problem=result.attempt.problem, outcome=state, **about)
        if disabled is not None:
            _log.warning("webhook disabled", webhook_id=item.endpoint_id, reason=disabled)
            await self._registry.reload()

    def _committed(self) -> None:
        if self._registry.recorded:
            self._registry.recorded = False
            self.wake()

    async def _send(self, item: Delivery, at: datetime) -> Response | None:
        endpoint = self._registry.enabled.get(item.endpoint_id)
        if endpoint is None:
            return None
        signed = sign(item.body, message_id=item.event_id, at=at, secrets=self._secrets.of(endpoint, now=at))
        # A redirect is none of ours to follow, and so a failure like every other.
        return await self._web.post(
            endpoint.url, content=item.body, headers={"content-type": "application/json", **signed}
        )

    def _settle(
        self, connection: Connection, item: Delivery, outcome: Outcome, dice: float
    ) -> tuple[str, Reason | None]:
        """Write down what became of it; what that is, and why the endpoint is disabled, if it is."""
        attempt = outcome.attempt
        endpoint = store.find(connection, item.endpoint_id)
        if endpoint is None:  # it was removed, and its deliveries with it
            return "failed", None
        store.record_attempt(connection, item.delivery_id, attempt)
        if attempt.problem is None:
            store.settle(connection, item.delivery_id, "delivered", now=attempt.at)
            if endpoint.failing_since is not None:
                store.fails_since(connection, endpoint.endpoint_id, None)
            return "delivered", None
        attempts, tried_since = item.attempts + 1, item.tried_since or attempt.at
        failing_since = endpoint.failing_since or attempt.at
        if endpoint.failing_since is None:
            store.fails_since(connection, endpoint.endpoint_id, failing_since)
        until = next_attempt(
            attempts, tried_since=tried_since, now=attempt.at, dice=dice, retry_after=outcome.retry_after
        )
        gone = attempt.status == GONE
        if until is not None and not gone:
            store.postpone(connection, item.delivery_id, attempts=attempts, tried_since=tried_since, until=until)
            return "postponed", None
        store.settle(connection, item.delivery_id, "failed", now=attempt.at)
        # Nothing arrived as long as this was tried: nobody seems to be there.
        if endpoint.state == "disabled" or not (gone or failing_since <= tried_since):
            return "failed", None
        reason: Reason = "gone" if gone else "unreachable"
        self._ending.disable(connection, endpoint, reason, now=attempt.at)
        return "failed", reason


def _due(
    connection: Connection, *, shares: dict[str, int], room: int, now: datetime, not_these: frozenset[str]
) -> list[Delivery]:
    found = store.due(connection, shares, now=now, not_these=not_these)
    return sorted(found, key=lambda delivery: delivery.delivery_id)[:room]


def _problem(response: Response | None) -> str:
    return "the endpoint is disabled" if response is None else f"HTTP {response.status_code}"


def _retry_after(response: Response, now: datetime) -> timedelta | None:
    """How long the receiver wants to be left alone (RFC 9110 section 10.2.3)."""
    said = response.headers.get("retry-after", "")
    if said.isascii() and said.isdecimal():
        return timedelta(seconds=int(said[:9]))
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    return max(timedelta(), (until if until.tzinfo else until.replace(tzinfo=UTC)) - now)
