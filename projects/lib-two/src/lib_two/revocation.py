"""Which tokens are no longer good, as told by the bus: the revocation view that every resource server keeps in memory.

The view is a few dictionaries. It is fed by a follower of the stream REV, and it knows whether it is up to date:

- `FRESH`: everything up to a moment ago was applied, and a heartbeat of the authorization server came in live within
  the last 3 seconds. It travels in the same stream, so it proves that nothing before it is missing.
- `CATCHING_UP`: connected, but still replaying what came before (start, reconnect, gap).
- `STALE`: the bus or the authorization server is silent. What is known to be revoked still is; for the rest, ask.
"""

import enum
import heapq
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
    def lag(self) -> int: ...


class RevocationView:
    """What was revoked: tokens, grants, sessions, subjects, clients and keys, each until nothing can come of it."""

    def __init__(self, *, now: Now = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._monotonic = monotonic
        self._feed: Feed | None = None
        self._connected: Callable[[], bool] = lambda: False
        self._heartbeat_at: float | None = None
        self._replayed = False
        self._latency: float | None = None
        # Of each kind, by id: until when the entry matters.
        self._by_kind: dict[str, dict[str | None, datetime]] = {kind: {} for kind in KINDS}
        # Of these two kinds, by id: tokens issued up to then are refused.
        self._not_before: dict[str, dict[str, datetime]] = {"subjects": {}, "clients": {}}
        self._ends: list[tuple[datetime, str, str]] = []
        # Shortcuts for the hot path.
        self._tokens, self._grants = self._by_kind["tokens"], self._by_kind["grants"]
        self._sessions, self._keys = self._by_kind["sessions"], self._by_kind["keys"]
        self._subjects, self._clients = self._not_before["subjects"], self._not_before["clients"]

    def reset(self) -> None:
        """The stream was made anew and will be replayed from its start. What is known to be revoked stays so.

        A revocation never becomes untrue, and a stream that was lost may come back without it.
        """
        self._heartbeat_at = None

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
        known = len(self._ends)
        match fact:
            case RevocationHeartbeat():
                self._beat(fact)
                return
            case TokenRevoked():
                self._add("tokens", fact.token_id, fact.expires_at)
            case GrantRevoked():
                self._add("grants", fact.grant_id, fact.expires_at)
            case SessionRevoked():
                self._add("sessions", fact.session_id, fact.expires_at)
            case KeyDistrusted():
                self._add("keys", fact.key_id, fact.expires_at)
            case SubjectRevoked():
                self._add_not_before("subjects", fact.subject_id, fact.not_before, fact.expires_at)
            case ClientRevoked():
                self._add_not_before("clients", fact.client_id, fact.not_before, fact.expires_at)
            case _:
                return
        # What is published again, after a loss or a doubt, is old and was known: it says nothing about the way here.
        if len(self._ends) > known and self._feed is not None and self._feed.caught_up:
            self._latency = (self._now() - event.time).total_seconds()

    def state(self) -> State:
        """How far the view can be relied on at this moment."""
        feed = self._feed
        if feed is None or not self._connected():
            return State.STALE
        if not feed.caught_up:
            return State.CATCHING_UP
        self._replayed = True
        beat = self._heartbeat_at
        if beat is not None and self._monotonic() - beat <= FRESH_FOR:
            return State.FRESH
        return State.STALE

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
        feed, beat = self._feed, self._heartbeat_at
        return {
            "state": str(self.state()),
            "replayed": self.replayed,
            "sequence": feed.sequence if feed else 0,
            "lag": feed.lag if feed else None,
            "heartbeat_age_seconds": None if beat is None else round(self._monotonic() - beat, 3),
            "latency_seconds": None if self._latency is None else round(self._latency, 6),
            "entries": {kind: len(entries) for kind, entries in self._by_kind.items()},
        }

    def _beat(self, fact: RevocationHeartbeat) -> None:
        # A replayed heartbeat tells of the past. Only one that came live says that we hear all there is to hear.
        if self._feed is None or not self._feed.caught_up:
            return
        if abs(self._now() - fact.sent_at) <= MAX_SKEW:
            self._heartbeat_at = self._monotonic()
        self._prune()

    def _add(self, kind: str, identifier: str, expires_at: datetime) -> None:
        entries = self._by_kind[kind]
        known = entries.get(identifier)
        if known is None or expires_at > known:
            entries[identifier] = expires_at
            heapq.heappush(self._ends, (expires_at, kind, identifier))

    def _add_not_before(self, kind: str, identifier: str, not_before: datetime, expires_at: datetime) -> None:
        starts = self._not_before[kind]
        starts[identifier] = max(starts.get(identifier, not_before), not_before)
        self._add(kind, identifier, expires_at)

    def _prune(self) -> None:
        """Drop what can concern no live token any more."""
        past = self._now() - MARGIN
        while self._ends and self._ends[0][0] <= past:
            expires_at, kind, identifier = heapq.heappop(self._ends)
            entries = self._by_kind[kind]
            if entries.get(identifier) == expires_at:  # else it was prolonged and has a later end
                del entries[identifier]
                self._not_before.get(kind, {}).pop(identifier, None)
