"""What is sent to an endpoint, when it is tried again, and what an endpoint may be. Pure."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from lib_one.courier import back_off
from lib_one.event import TYPE_PREFIX, Contract
from lib_one.http import is_public

PATIENCE: Final = timedelta(days=1)
"""For so long a delivery is tried, and after so long without any arrival an endpoint is disabled."""
LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
"""A receiver that asks for more time is asked again after so long all the same."""
JITTER: Final = 0.25
"""Up to this part of a wait is left out, at random: what failed together need not come back together."""
TEST_TYPE: Final = "webhook.test"
"""The type of a message that an operator sends to try an endpoint. It is no fact."""
GONE: Final = 410
LONGEST_URL: Final = 2048
MOST_TYPES: Final = 100

type State = Literal["enabled", "disabled"]
type DeliveryState = Literal["waiting", "delivered", "failed"]


class WebhookError(Exception):
    """What an operator asked for cannot be. The text says why, and quotes nothing."""


class UnknownWebhookError(WebhookError):
    """There is no such endpoint, or it has no such delivery."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An address to which events are sent, as it is kept."""

    endpoint_id: str
    url: str
    types: tuple[str, ...]
    """Names of events, or patterns of them."""
    description: str
    state: State
    reason: str | None
    """Why it is disabled."""
    disabled_at: datetime | None
    failing_since: datetime | None
    """The first failure since something arrived; None: the last attempt arrived."""
    secret_sealed: bytes
    old_secret_sealed: bytes | None
    old_secret_until: datetime | None
    """Until then the secret before signs as well."""
    created_at: datetime


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one endpoint, as it is kept."""

    delivery_id: str
    endpoint_id: str
    event_id: str
    type: str
    body: bytes
    attempts: int
    """How many have failed."""
    tried_since: datetime | None
    """When the first one failed."""

    @property
    def receiver(self) -> str:
        """Whom it is for."""
        return self.endpoint_id


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one attempt. What is not so is left out."""

    at: datetime
    duration_ms: int
    status: int | None = None
    """What the receiver answered, if it did."""
    problem: str | None = None
    """Why it does not count as arrived, if it does not."""


def name_of(contract: type[Contract]) -> str:
    """The type of an event as webhooks say it, such as `token.revoked.v1`."""
    return contract.TYPE.removeprefix(TYPE_PREFIX)


def next_attempt(
    attempts: int, *, tried_since: datetime, now: datetime, dice: float, retry_after: timedelta | None = None
) -> datetime | None:
    """When to try again after so many failures; None: it was tried for long enough.

    `dice` is from 0 to 1, `retry_after` what the receiver asked for.
    """
    end = tried_since + PATIENCE
    if now >= end:
        return None
    wait = back_off(attempts) * (1 - JITTER * dice)
    if retry_after is not None:
        wait = max(wait, min(retry_after, LONGEST_RETRY_AFTER))
    return min(now + wait, end)


def wants(patterns: Iterable[str], name: str) -> bool:
    """Whether an endpoint with these patterns wants events of this name."""
    return any(
        pattern == name or (pattern.endswith("*") and name.startswith(pattern.removesuffix("*")))
        for pattern in patterns
    )


def checked_types(patterns: Collection[str], known: Iterable[str]) -> tuple[str, ...]:
    """The patterns, each once.

    Raises:
        WebhookError: there is none, or too many, or one that no event here has.
    """
    known = sorted(known)
    if not patterns or len(patterns) > MOST_TYPES:
        raise WebhookError(f"types: name 1 to {MOST_TYPES} types of events")
    for pattern in patterns:
        whole = pattern in {"*", *known}
        if not whole and not (pattern.endswith(".*") and any(wants([pattern], name) for name in known)):
            raise WebhookError(
                f"types: known are {', '.join(known)}, patterns of them such as {_example(known)}, and *"
            )
    return tuple(dict.fromkeys(patterns))


def _example(known: list[str]) -> str:
    return known[0].partition(".")[0] + ".*"


def checked_url(url: str, *, loopback: bool) -> str:
    """The address, if it may be one of an endpoint. With `loopback` it may be on this machine, and there `http`.

    Whether a name leads to a public address is seen at each attempt: it can change.

    Raises:
        WebhookError: it may not.
    """
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookError(f"url: give an address of at most {LONGEST_URL} ASCII characters, without spaces")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise WebhookError("url: it is not an address") from None
    if not host or parts.username is not None or "#" in url:
        raise WebhookError("url: give an address with a host, without a user name, a password or a fragment")
    here = host == "localhost"
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        here = address.is_loopback
        if not is_public(address) and not (here and loopback):
            raise WebhookError("url: the address is not public")
    if parts.scheme != "https" and not (parts.scheme == "http" and here and loopback):
        raise WebhookError("url: it must begin with https://")
    return url
