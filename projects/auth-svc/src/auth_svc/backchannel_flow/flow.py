"""What waits for a person, and what a client may ask (CIBA Core section 7.1). Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from auth_svc.approvals import Approval, Status
from auth_svc.errors import InvalidRequest, OAuthError
from auth_svc.resources import Detail
from auth_svc.signin import Limit
from auth_svc.token import Form

TO_ONE_PERSON: Final = Limit(10, timedelta(minutes=1))
"""Requests that one client may send to one person: who is asked all the time says yes at last."""
_LONGEST_MESSAGE: Final = 80
"""Characters: what fits on one line of the page, and of the client's screen beside it."""
_BEARER_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,1024}={0,2}")
_HINTS: Final = ("login_hint", "login_hint_token", "id_token_hint")


class InvalidBindingMessage(OAuthError):  # noqa: N818 - errors have the RFC's names
    """CIBA Core section 13: the message cannot be shown as it is."""

    code = "invalid_binding_message"
    description = "The binding message must be at most 80 printable characters."


@dataclass(frozen=True)
class BackchannelRequest:
    """A request that waits for its person, as it is kept."""

    request_id: str
    client_id: str
    user_id: str
    scope: tuple[str, ...]
    """What was asked for and the client may have."""
    resource: tuple[str, ...]
    details: tuple[Detail, ...]
    """What it wants, in detail (RFC 9396)."""
    binding_message: str | None
    """What the person sees on both screens."""
    status: Status
    approval: Approval | None
    interval: timedelta
    polled_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime
    used: bool
    notify_sealed: bytes | None = None
    """How to tell the client of the decision, if it does not just poll."""

    def waits(self, now: datetime) -> bool:
        """Whether the person can still decide."""
        return self.status == "pending" and now < self.expires_at


def the_hint(form: Form) -> tuple[str, str]:
    """The one hint that says whom the request is for: its name and its value.

    Raises:
        InvalidRequest: none, several, or a `login_hint_token`, which is not supported.
    """
    given = [name for name in _HINTS if name in form]
    if len(given) != 1:
        raise InvalidRequest("exactly one hint is needed")
    if given[0] == "login_hint_token":
        raise InvalidRequest("login_hint_token is not supported")
    return given[0], form[given[0]]


def notification_token(form: Form) -> str:
    """What a client that is told of the decision wants to be shown then (CIBA Core section 7.1).

    Raises:
        InvalidRequest: none, too long, or no bearer token (RFC 6750 section 2.1).
    """
    token = form.get("client_notification_token", "")
    if not _BEARER_TOKEN.fullmatch(token):
        raise InvalidRequest("client_notification_token is missing or malformed")
    return token


def binding_message(form: Form) -> str | None:
    """What both screens are to show.

    Raises:
        InvalidBindingMessage: too long, or it would not look the same on both.
    """
    message = form.get("binding_message")
    if message is not None and (len(message) > _LONGEST_MESSAGE or not message.isprintable()):
        raise InvalidBindingMessage
    return message


def life_of(form: Form, usual: timedelta) -> timedelta:
    """How long the request waits: as asked, but no longer than usual.

    Raises:
        InvalidRequest: `requested_expiry` is no positive number.
    """
    asked = form.get("requested_expiry")
    if asked is None:
        return usual
    if not asked.isascii() or not asked.isdigit() or len(asked) > 9 or int(asked) == 0:
        raise InvalidRequest("requested_expiry is not a positive number")
    return min(usual, timedelta(seconds=int(asked)))
