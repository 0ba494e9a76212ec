"""What a client is answered that polls until somebody has decided (RFC 8628 section 3.5, CIBA section 11). Pure."""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, Literal, Protocol

INTERVAL: Final = timedelta(seconds=5)
"""Time between polls at first (RFC 8628 section 3.2, CIBA section 7.3)."""
SLOWER: Final = timedelta(seconds=5)
"""What `slow_down` adds."""
_JITTER: Final = timedelta(milliseconds=250)
"""A poll that was sent in time may arrive this much early, since the one before was slow."""

type Status = Literal["pending", "approved", "denied"]


class Polled(Protocol):
    """Something that waits for a person's decision, and is asked about."""

    @property
    def status(self) -> Status: ...
    @property
    def interval(self) -> timedelta: ...
    @property
    def polled_at(self) -> datetime | None: ...
    @property
    def decided_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime: ...
    @property
    def used(self) -> bool: ...


class Answer(Enum):
    """What a poll is answered."""

    TOKENS = auto()
    PENDING = auto()
    SLOW_DOWN = auto()
    DENIED = auto()
    EXPIRED = auto()
    USED = auto()


def answer(waiting: Polled, *, life: timedelta, now: datetime) -> Answer:
    """What to answer a poll at `now`.

    What the person said comes before the expiry: an approval in the last second still counts. It is good for another
    `life` and no longer.
    """
    if waiting.used:
        return Answer.USED
    if waiting.status == "denied":
        return Answer.DENIED
    if waiting.status == "approved":
        good = waiting.decided_at is not None and now < waiting.decided_at + life
        return Answer.TOKENS if good else Answer.EXPIRED
    if now >= waiting.expires_at:
        return Answer.EXPIRED
    if waiting.polled_at is not None and now < waiting.polled_at + waiting.interval - _JITTER:
        return Answer.SLOW_DOWN
    return Answer.PENDING
