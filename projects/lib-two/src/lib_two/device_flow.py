"""The device authorization flow (RFC 8628): sign in on one device by typing a short code on another."""

import asyncio
from datetime import datetime, timedelta

import msgspec

from lib_two.errors import IssuerUnavailable
from lib_two.oauth_client import OAuthClient, TokenSet
from lib_two.polling import Sleep, poll

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class DeviceAuthorization(msgspec.Struct, frozen=True, kw_only=True):
    """A code to type, and where."""

    user_code: str
    """Short, as people should see it: `WDJB-MJHT`."""
    verification_uri: str
    verification_uri_complete: str | None
    """The same address with the code in it, for a QR code."""
    expires_at: datetime
    interval: timedelta
    """Between two questions to the issuer, at least."""
    device_code: str
    """Secret: it is what gets the tokens."""
    scope: str
    """What was asked for."""


async def start(client: OAuthClient, *, scope: str) -> DeviceAuthorization:
    """Ask for a code (RFC 8628 section 3.1).

    Raises:
        OAuthError: the issuer says no.
        IssuerUnavailable: it does not answer sensibly.
    """
    asked_at = client.now()
    answer = await client.post("device_authorization_endpoint", {"scope": scope})
    try:
        parsed = msgspec.convert(answer, _Answer)
    except msgspec.ValidationError as error:
        raise IssuerUnavailable(f"{client.issuer} gave an odd answer to the device request: {error}") from error
    return DeviceAuthorization(
        user_code=parsed.user_code,
        verification_uri=parsed.verification_uri,
        verification_uri_complete=parsed.verification_uri_complete,
        expires_at=asked_at + timedelta(seconds=min(parsed.expires_in, 86_400)),
        interval=timedelta(seconds=min(max(parsed.interval, 1), 60)),
        device_code=parsed.device_code,
        scope=scope,
    )


async def wait(
    client: OAuthClient,
    authorization: DeviceAuthorization,
    *,
    sleep: Sleep = asyncio.sleep,
) -> TokenSet:
    """Poll until somebody has typed the code and decided (RFC 8628 sections 3.4 and 3.5).

    Slows down when told to, and when the issuer does not answer.

    Raises:
        OAuthError: declined (`access_denied`), too late (`expired_token`), or another refusal.
    """
    return await poll(
        client,
        {"grant_type": _GRANT, "device_code": authorization.device_code},
        scope=authorization.scope,
        interval=authorization.interval,
        expires_at=authorization.expires_at,
        too_late="The code was not entered in time",
        sleep=sleep,
    )


class _Answer(msgspec.Struct):
    device_code: str
    user_code: str
    verification_uri: str
    expires_in: float
    verification_uri_complete: str | None = None
    interval: float = 5
