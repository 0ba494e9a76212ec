"""A revocation view without a bus."""

from dataclasses import dataclass

from lib_one.contracts.revocation import RevocationHeartbeat
from lib_one.event import Now, event
from lib_two.revocation import RevocationView


@dataclass
class QuietFeed:
    """A follower of the stream of revocations to which everything has come."""

    caught_up: bool = True
    sequence: int = 0
    lag: int = 0
    created: str | None = None


def fresh_view(now: Now) -> RevocationView:
    """A view that is whole, and in which nothing was revoked. Its monotonic clock stands still, so it stays fresh."""
    view = RevocationView(now=now, monotonic=lambda: 1000.0)
    view.follow(QuietFeed(), lambda: True)
    view.apply(event(RevocationHeartbeat(sent_at=now()), source="/auth-svc", now=now), 1)
    return view
