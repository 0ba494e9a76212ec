"""Values that travel through a browser: signed, so that they come back as they left, and dated.

They are readable by whoever holds them. What must stay secret does not belong in one.
"""

import base64
import binascii
import hmac
from datetime import datetime, timedelta

import msgspec

from lib_one.event import Now


class SealBrokenError(Exception):
    """The value was not sealed here, not for this purpose, or too long ago."""


class _Dated[T](msgspec.Struct, frozen=True, array_like=True):
    expires_at: datetime
    value: T


class Seal[T]:
    """Signs values of one shape with HMAC-SHA256, and opens them again within their life. One key a purpose."""

    def __init__(self, key: bytes, *, shape: type[T], life: timedelta, now: Now) -> None:
        self._key = key
        self._life = life
        self._now = now
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(_Dated[shape])  # type: ignore[valid-type]  # a run-time parameter

    def close(self, value: T) -> str:
        """Return `value` as text that is safe in a URL and in a form."""
        body = _encode(self._encoder.encode(_Dated(self._now() + self._life, value)))
        return f"{body}.{self._mac(body)}"

    def open(self, sealed: str) -> T:
        """Return what was sealed.

        Raises:
            SealBrokenError: it was altered, sealed for something else, or has expired.
        """
        body, _, mac = sealed.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(body).encode()):
            raise SealBrokenError("the signature does not fit")
        try:
            dated = self._decoder.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (msgspec.DecodeError, binascii.Error) as error:  # ours, but of another release's shape
            raise SealBrokenError("the shape does not fit") from error
        if dated.expires_at <= self._now():
            raise SealBrokenError("it is too old")
        return dated.value

    def _mac(self, body: str) -> str:
        return _encode(hmac.digest(self._key, body.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
