"""How tokens are told apart from a revocation. Pure."""

import math
from datetime import datetime


class TooSoonError(Exception):
    """A token issued now would count as issued before a revocation. Nothing has happened; try again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def until_told_apart(revoked_at: datetime | None, now: datetime) -> float:
    """Seconds until a token is known by its `iat` (whole seconds) to have been issued after a revocation."""
    if revoked_at is None:
        return 0
    return max(0.0, math.floor(revoked_at.timestamp()) + 1 - now.timestamp())


def check_told_apart(revoked_at: datetime | None, now: datetime) -> None:
    """Issue nothing that would be void.

    Raises:
        TooSoonError: it would be.
    """
    seconds = until_told_apart(revoked_at, now)
    if seconds:
        raise TooSoonError(seconds)
