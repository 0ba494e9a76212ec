"""Patience at the token endpoint: asking until a person has decided (RFC 8628 section 3.5, CIBA Core section 11)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from lib_two.errors import IssuerUnavailable, OAuthError
from lib_two.oauth_client import OAuthClient, TokenSet

type Sleep = Callable[[float], Awaitable[None]]

_SLOWER = timedelta(seconds=5)
_SLOWEST = timedelta(seconds=60)


async def poll(
    client: OAuthClient,
    form: Mapping[str, str],
    *,
    scope: str,
    interval: timedelta,
    expires_at: datetime,
    too_late: str,
    sleep: Sleep = asyncio.sleep,
) -> TokenSet:
    """Send `form` until there are tokens. Slows down when told to, and when the issuer does not answer.

    Raises:
        OAuthError: declined (`access_denied`), too late (`expired_token`, with `too_late` as its words), or another
            refusal.
    """
    pause = interval
    while True:
        await sleep(pause.total_seconds())
        if client.now() >= expires_at:
            raise OAuthError("expired_token", too_late)
        try:
            return await client.token(form, scope=scope)
        except OAuthError as error:
            if error.code == "slow_down":
                interval += _SLOWER
            elif error.code != "authorization_pending":
                raise
            pause = interval
        except IssuerUnavailable:
            # RFC 8628 section 3.5 wants an exponential back-off when the connection fails.
            pause = min(pause * 2, max(interval, _SLOWEST))
