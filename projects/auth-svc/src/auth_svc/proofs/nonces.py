"""Nonces for proofs (RFC 9449 section 8): a value that nobody can know before we say it, so proofs cannot be stocked.

They follow from the time and a key that every process of this installation derives alike; nothing is kept.
"""

import hmac
from datetime import datetime

from auth_svc.keys.jose import encode64

STEP = 60
"""Seconds after which another nonce is given. The one before is still good, so each lives one to two minutes."""


class Nonces:
    """Gives nonces, and knows its own again."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self, now: datetime) -> str:
        """The nonce to use from now on: 128 bits."""
        return self._at(int(now.timestamp()) // STEP)

    def accepts(self, nonce: str, now: datetime) -> bool:
        """Whether it was given lately. The next one counts too: another process may be a little ahead of us."""
        step = int(now.timestamp()) // STEP
        return any(
            hmac.compare_digest(self._at(step + shift).encode(), nonce.encode(errors="replace")) for shift in (0, -1, 1)
        )

    def _at(self, step: int) -> str:
        return encode64(hmac.digest(self._key, str(step).encode(), "sha256")[:16]).decode()
