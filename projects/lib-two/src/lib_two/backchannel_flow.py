"""Backchannel authentication (OpenID Connect CIBA Core 1.0): ask a person who is somewhere else, and wait.

A client that is registered for `poll` starts and waits. One that is registered for `ping` starts with a token of its
own (`new_notification_token`), is told by the issuer with that token, and fetches.
"""

import asyncio
import secrets
from datetime import datetime, timedelta

import msgspec

from lib_two.errors import IssuerUnavailable
from lib_two.oauth_client import OAuthClient, TokenSet
from lib_two.polling import Sleep, poll

_GRANT = "urn:openid:params:grant-type:ciba"


class BackchannelAuthentication(msgspec.Struct, frozen=True, kw_only=True):
    """A person was asked."""

    auth_req_id: str
    """Secret: it is what gets the tokens."""
    expires_at: datetime
    interval: timedelta
    """Between two questions to the issuer, at least."""
    scope: str
    """What was asked for."""


def new_notification_token() -> str:
    """What the issuer shall show when it tells of a decision: 256 random bits."""
    return secrets.token_urlsafe(32)


async def start(
    client: OAuthClient,
    *,
    scope: str,
    login_hint: str | None = None,
    id_token_hint: str | None = None,
    binding_message: str | None = None,
    requested_expiry: timedelta | None = None,
    notification_token: str | None = None,
) -> BackchannelAuthentication:
    """Ask (CIBA Core section 7.1). Exactly one hint says whom; `binding_message` is what both screens show.

    Raises:
        ValueError: no hint, or two.
        OAuthError: the issuer says no; `unknown_user_id` if it knows nobody of this name.
        IssuerUnavailable: it does not answer sensibly.
    """
    if (login_hint is None) == (id_token_hint is None):
        raise ValueError("give exactly one of login_hint and id_token_hint")
    asked = {
        "scope": scope,
        "login_hint": login_hint,
        "id_token_hint": id_token_hint,
        "binding_message": binding_message,
        "requested_expiry": None if requested_expiry is None else str(int(requested_expiry.total_seconds())),
        "client_notification_token": notification_token,
    }
    form = {name: value for name, value in asked.items() if value is not None}
    asked_at = client.now()
    answer = await client.post("backchannel_authentication_endpoint", form)
    try:
        parsed = msgspec.convert(answer, _Answer)
    except msgspec.ValidationError as error:
        raise IssuerUnavailable(f"{client.issuer} gave an odd answer to the backchannel request: {error}") from error
    return BackchannelAuthentication(
        auth_req_id=parsed.auth_req_id,
        expires_at=asked_at + timedelta(seconds=min(parsed.expires_in, 86_400)),
        interval=timedelta(seconds=min(max(parsed.interval, 1), 60)),
        scope=scope,
    )


async def wait(
    client: OAuthClient, authentication: BackchannelAuthentication, *, sleep: Sleep = asyncio.sleep
) -> TokenSet:
    """Poll until the person has decided (sections 10.1 and 11).

    Slows down when told to, and when the issuer does not answer.

    Raises:
        OAuthError: declined (`access_denied`), too late (`expired_token`), or another refusal.
    """
    return await poll(
        client,
        _form(authentication),
        scope=authentication.scope,
        interval=authentication.interval,
        expires_at=authentication.expires_at,
        too_late="Nobody answered in time",
        sleep=sleep,
    )


async def fetch(client: OAuthClient, authentication: BackchannelAuthentication) -> TokenSet:
    """Get the tokens when the issuer has told of the decision (section 10.2).

    Raises:
        OAuthError: declined (`access_denied`), not decided yet (`authorization_pending`), or another refusal.
        IssuerUnavailable: it does not answer sensibly.
    """
    return await client.token(_form(authentication), scope=authentication.scope)


def _form(authentication: BackchannelAuthentication) -> dict[str, str]:
    return {"grant_type": _GRANT, "auth_req_id": authentication.auth_req_id}


class _Answer(msgspec.Struct):
    auth_req_id: str
    expires_in: float
    interval: float = 5
