"""Signatures of webhooks (Standard Webhooks 1.0): made by who sends, and checked by who receives.

    try:
        verify(body, request.headers, secrets=[secret], now=utc_now())
    except WebhookSignatureError:
        ...  # not from where it says: answer 401 and look at nothing in it

`verify` wants the body as it came, byte by byte. That the signature is good does not mean that the message is new: keep
`webhook-id` as long as messages may be repeated, and do nothing when it comes again.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""The headers."""
TOLERANCE: Final = timedelta(minutes=5)
"""How far the time of a message may be from ours: who records one cannot use it later."""
PREFIX: Final = "whsec_"
"""Of every secret, so that one is known where it does not belong."""
_SHORTEST, _LONGEST = 24, 64
_VERSION = "v1"


class WebhookSignatureError(Exception):
    """The message is not from where it says, or it is too old. The text has nothing of the message."""


def new_secret() -> str:
    """A secret of 256 random bits: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(body: bytes, *, message_id: str, at: datetime, secrets: Iterable[str]) -> dict[str, str]:
    """The headers of one attempt to send `body`: signed with each of the secrets, for as long as two are good.

    Raises:
        ValueError: a secret is none.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (f"{_VERSION},{base64.b64encode(_mac(secret, signed)).decode()}" for secret in secrets)
    return {ID: message_id, TIMESTAMP: timestamp, SIGNATURE: " ".join(signatures)}


def verify(
    body: bytes,
    headers: Mapping[str, str],
    *,
    secrets: Iterable[str],
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> str:
    """Check a message that was received, and return its id: the same at each repetition.

    Args:
        body: As it came.
        headers: In lower case, or of a mapping that does not mind the case.
        secrets: One of them must have signed. While a secret is changed, the old one and the new one.
        now: The time here.
        tolerance: How far the message's time may be from it.

    Raises:
        WebhookSignatureError: it is not from who has the secret, or too old, or of the future.
        ValueError: a secret is none.
    """
    try:
        message_id, timestamp, signatures = headers[ID], headers[TIMESTAMP], headers[SIGNATURE]
    except KeyError as error:
        raise WebhookSignatureError(f"the header {error.args[0]} is missing") from None
    signed = f"{message_id}.{timestamp}.".encode() + body
    named = (each.partition(",") for each in signatures.split())
    found = [_decoded(value) for version, _, value in named if version == _VERSION]
    expected = [_mac(secret, signed) for secret in secrets]
    if not any(hmac.compare_digest(one, other) for one in expected for other in found):
        raise WebhookSignatureError("no signature is of a secret that is known here")
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 11:
        raise WebhookSignatureError("the time is not a number")
    if abs(now - datetime.fromtimestamp(int(timestamp), UTC)) > tolerance:
        raise WebhookSignatureError("the message is too old, or of the future")
    return message_id


def _mac(secret: str, signed: bytes) -> bytes:
    return hmac.digest(_key(secret), signed, "sha256")


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError("a secret of webhooks is whsec_ and the base64 of 24 to 64 bytes")
    return key


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""
