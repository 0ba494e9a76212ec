"""Which tokens are no longer good, as told by the bus: the revocation view that every resource server keeps in memory.

The view is a few dictionaries. It is fed by a follower of the stream REV, and it knows whether it is up to date:

- `FRESH`: everything up to a moment ago was applied, and a heartbeat of the authorization server came in live within
  the last 3 seconds. It travels in the same stream, so it proves that nothing before it is missing.
- `CATCHING_UP`: connected, but still replaying what came before (start, reconnect, gap).
- `STALE`: the bus or the authorization server is silent. What is known to be revoked still is; for the rest, ask.
"""

import enum
import heapq
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from lib_one.contracts.revocation import (
    ClientRevoked,
    GrantRevoked,
    KeyDistrusted,
    RevocationHeartbeat,
    SessionRevoked,
    SubjectRevoked,
    TokenRevoked,
)
from lib_one.event import Event, Now, utc_now
from lib_one.observe import Histogram
from lib_two.validation import Claims

if TYPE_CHECKING:
    from lib_one.nats import NatsConnection

STREAM = "REV"
LIVE = "live.auth.rev.>"

FRESH_FOR = 3.0
"""Seconds that one heartbeat vouches for, on the monotonic clock of this process."""
MARGIN = timedelta(seconds=60)
"""How much longer than its `expires_at` an entry is kept: clocks differ, and `exp` is compared with leeway."""
MAX_SKEW = timedelta(seconds=10)
"""A heartbeat that is older than this when it comes in proves nothing: this process may have been suspended while the
message waited in a buffer. Clocks that differ by more make the view stale, which is safe."""


STEP = 5_000
"""Expired entries that one heartbeat clears away at most, of each kind: about a millisecond of work."""
ROUND = 50
"""New entries after which four times as many expired ones are cleared away: they go faster than they can come."""

KINDS = ("tokens", "grants", "sessions", "subjects", "clients", "keys")
"""What can be revoked."""


class State(enum.StrEnum):
    """How far the view can be relied on."""

    FRESH = "FRESH"
    CATCHING_UP = "CATCHING_UP"
    STALE = "STALE"


class Feed(Protocol):
    """What the view asks of its follower."""

    @property
    def caught_up(self) -> bool: ...
    @property
    def sequence(self) -> int: ...
    @property
    def created(self) -> str | None: ...
    @property
    def lag(self) -> int: ...


class _Second:
    """All entries of a kind that end in one second. Each entry refers to its own, so none has a time of its own."""

    __slots__ = ("at", "identifiers")

    def __init__(self, at: int) -> None:
        self.at = at
        self.identifiers: list[str] = []


class _Entries:
    """What was revoked of one kind, by id, each until nothing can come of it."""

    def __init__(self) -> None:
        self.by_id: dict[str | None, _Second] = {}
        self._seconds: dict[int, _Second] = {}
        self._order: list[int] = []

    def add(self, identifier: str, expires_at: datetime) -> bool:
        """False if it is known for as long."""
        at = math.ceil(expires_at.timestamp())
        known = self.by_id.get(identifier)
        if known is not None and known.at >= at:
            return False
        second = self._seconds.get(at)
        if second is None:
            second = self._seconds[at] = _Second(at)
            heapq.heappush(self._order, at)
        second.identifiers.append(identifier)
        self.by_id[identifier] = second
        return True

    def drop(self, past: float, most: int) -> list[str]:
        """Forget what ended up to `past`, `most` of it."""
        dropped: list[str] = []
        for _ in range(most):
            if not self._order or self._order[0] > past:
                break
            second = self._seconds[self._order[0]]
            identifier = second.identifiers.pop()
            if self.by_id[identifier] is second:  # else it was prolonged and has a later end
                del self.by_id[identifier]
                dropped.append(identifier)
            if not second.identifiers:
                del self._seconds[heapq.heappop(self._order)]
        return dropped


class RevocationView:
    """What was revoked: tokens, grants, sessions, subjects, clients and keys, each until nothing can come of it."""

    def __init__(self, *, now: Now = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._monotonic = monotonic
        self._feed: Feed | None = None
        self._connected: Callable[[], bool] = lambda: False
        self._heartbeat_at = -math.inf
        self._replayed = False
        self._latency: float | None = None
        self.changes = 0
        """Raised by every revocation that comes in, known or not: while it stays the same, no token becomes revoked.
        Nothing here takes effect by the passing of time."""
        self.applied = Histogram()
        """Seconds from each revocation to its being applied here; two clocks."""
        self._by_kind = {kind: _Entries() for kind in KINDS}
        # Of these two kinds, by id: tokens issued up to then are refused.
        self._not_before: dict[str, dict[str, datetime]] = {"subjects": {}, "clients": {}}
        # Shortcuts for the hot path.
        self._tokens, self._grants = self._by_kind["tokens"].by_id, self._by_kind["grants"].by_id
        self._sessions, self._keys = self._by_kind["sessions"].by_id, self._by_kind["keys"].by_id
        self._subjects, self._clients = self._not_before["subjects"], self._not_before["clients"]

    def reset(self) -> None:
        """The stream was made anew and will be replayed from its start. What is known to be revoked stays so.

        A revocation never becomes untrue, and a stream that was lost may come back without it.
        """
        self._heartbeat_at = -math.inf

    def revoked(self, claims: Claims) -> bool:
        """True if this token is known not to be good any more, whatever the state. Six look-ups."""
        if (
            claims.token_id in self._tokens
            or claims.grant_id in self._grants
            or claims.session_id in self._sessions
            or claims.key_id in self._keys
        ):
            return True
        not_before = self._subjects.get(claims.subject)
        if not_before is not None and claims.issued_at <= not_before:
            return True
        not_before = self._clients.get(claims.client_id)
        return not_before is not None and claims.issued_at <= not_before

    def apply(self, event: Event, sequence: int) -> None:  # noqa: ARG002 - the follower's signature
        """Take in one message of the stream. Others than revocations and heartbeats are ignored."""
        fact = event.data
        match fact:
            case RevocationHeartbeat():
                self._beat(fact)
                return
            case TokenRevoked():
                new = self._add("tokens", fact.token_id, fact.expires_at)
            case GrantRevoked():
                new = self._add("grants", fact.grant_id, fact.expires_at)
            case SessionRevoked():
                new = self._add("sessions", fact.session_id, fact.expires_at)
            case KeyDistrusted():
                new = self._add("keys", fact.key_id, fact.expires_at)
            case SubjectRevoked():
                new = self._add_not_before("subjects", fact.subject_id, fact.not_before, fact.expires_at)
            case ClientRevoked():
                new = self._add_not_before("clients", fact.client_id, fact.not_before, fact.expires_at)
            case _:
                return
        # What is published again, after a loss or a doubt, is old and was known: it says nothing about the way here.
        if new and self._feed is not None and self._feed.caught_up:
            self._latency = (self._now() - event.time).total_seconds()
            self.applied.observe(self._latency)

    def fresh(self) -> bool:
        """Whether the state is `FRESH`."""
        feed = self._feed
        if feed is None or not feed.caught_up or not self._connected():
            return False
        return self._monotonic() - self._heartbeat_at <= FRESH_FOR

    def state(self) -> State:
        """How far the view can be relied on at this moment."""
        feed = self._feed
        if feed is None or not self._connected():
            return State.STALE
        if not feed.caught_up:
            return State.CATCHING_UP
        self._replayed = True
        return State.FRESH if self.fresh() else State.STALE

    @property
    def doubt(self) -> timedelta | None:
        """How long ago nothing was missing for certain: the age of the last heartbeat. None: that was never so."""
        age = self._age()
        return None if age is None else timedelta(seconds=age)

    @property
    def replayed(self) -> bool:
        """True once the first replay was complete."""
        self.state()
        return self._replayed

    def follow(self, feed: Feed, connected: Callable[[], bool]) -> None:
        """Take `feed` as the source of what is applied. `run` does this; a test may do it with a feed of its own."""
        self._feed = feed
        self._connected = connected

    async def run(self, connection: "NatsConnection") -> None:
        """Follow the stream until cancelled."""
        from lib_one.nats import Follower

        follower = Follower(connection, stream=STREAM, live=LIVE, apply=self.apply, reset=self.reset)
        self.follow(follower, lambda: connection.connected)
        try:
            await follower.run()
        finally:
            self._feed = None

    def status(self) -> dict[str, Any]:
        """For `/ready` and metrics."""
        feed, age = self._feed, self._age()
        return {
            "state": str(self.state()),
            "replayed": self.replayed,
            "stream": feed.created if feed else None,
            "sequence": feed.sequence if feed else 0,
            "lag": feed.lag if feed else None,
            "heartbeat_age_seconds": None if age is None else round(age, 3),
            "latency_seconds": None if self._latency is None else round(self._latency, 6),
            "entries": {kind: len(entries.by_id) for kind, entries in self._by_kind.items()},
        }

    def _age(self) -> float | None:
        """Seconds since the last heartbeat that vouched; None: there was none."""
        age = self._monotonic() - self._heartbeat_at
        return age if age < math.inf else None

    def _beat(self, fact: RevocationHeartbeat) -> None:
        # A replayed heartbeat tells of the past. Only one that came live says that we hear all there is to hear.
        if self._feed is None or not self._feed.caught_up:
            return
        self._replayed = True
        if abs(self._now() - fact.sent_at) <= MAX_SKEW:
            self._heartbeat_at = self._monotonic()
        self._prune(STEP)

    def _add(self, kind: str, identifier: str, expires_at: datetime) -> bool:
        self.changes += 1
        if self.changes % ROUND == 0:
            self._prune(4 * ROUND)
        return self._by_kind[kind].add(identifier, expires_at)

    def _add_not_before(self, kind: str, identifier: str, not_before: datetime, expires_at: datetime) -> bool:
        starts = self._not_before[kind]
        starts[identifier] = max(starts.get(identifier, not_before), not_before)
        return self._add(kind, identifier, expires_at)

    def _prune(self, most: int) -> None:
        """Drop what can concern no live token any more, so many of each kind at most."""
        past = (self._now() - MARGIN).timestamp()
        for kind, entries in self._by_kind.items():
            for identifier in entries.drop(past, most):
                self._not_before.get(kind, {}).pop(identifier, None)
