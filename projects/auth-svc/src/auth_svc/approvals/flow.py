"""What waits for a person's decision, and what its client is answered meanwhile. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, Literal, Protocol

from auth_svc.signin import SignedIn
from lib_one.event import new_id

INTERVAL: Final = timedelta(seconds=5)
"""Time between polls at first (RFC 8628 section 3.2, CIBA section 7.3)."""
SLOWER: Final = timedelta(seconds=5)
"""What `slow_down` adds."""
_JITTER: Final = timedelta(milliseconds=250)
"""A poll that was sent in time may arrive this much early, since the one before was slow."""

type Status = Literal["pending", "approved", "denied"]


@dataclass(frozen=True)
class Approval:
    """Who allowed it by which sign-in, and the grant that begins with it."""

    user_id: str
    session_id: str
    grant_id: str
    auth_time: datetime
    amr: tuple[str, ...]
    scope: tuple[str, ...]


class Waiting(Protocol):
    """Something that waits for a person's decision, and is asked about."""

    @property
    def status(self) -> Status: ...
    @property
    def approval(self) -> Approval | None: ...
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


def approval_by(found: SignedIn, scope: tuple[str, ...]) -> Approval:
    """What the person says yes to who looks at the page: a new grant."""
    return Approval(
        user_id=found.user.user_id,
        session_id=found.session.session_id,
        grant_id=new_id(),
        auth_time=found.session.auth_time,
        amr=found.session.amr,
        scope=scope,
    )


def answer(waiting: Waiting, *, life: timedelta, now: datetime) -> Answer:
    """What to answer a poll at `now` (RFC 8628 section 3.5, CIBA Core section 11).

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
