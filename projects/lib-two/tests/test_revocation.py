"""The revocation view against a naive model, and the rules of its state."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lib_one.contracts.auth import TokenIssued
from lib_one.contracts.revocation import (
    ClientRevoked,
    GrantRevoked,
    KeyDistrusted,
    RevocationHeartbeat,
    SessionRevoked,
    SubjectRevoked,
    TokenRevoked,
)
from lib_one.event import Contract, event
from lib_one.testing import Clock
from lib_two.revocation import MARGIN, STEP, RevocationView, State
from lib_two.validation import Claims


@dataclass
class Feed:
    """A follower that does what the test says."""

    caught_up: bool = True
    sequence: int = 0
    lag: int = 0
    created: str | None = None
    connected: bool = True


class Ticks:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Setting:
    """A view with all its clocks in hand."""

    def __init__(self) -> None:
        self.clock, self.ticks, self.feed = Clock(), Ticks(), Feed()
        self.view = RevocationView(now=self.clock, monotonic=self.ticks)
        self.view.follow(self.feed, lambda: self.feed.connected)

    def apply(self, fact: Contract) -> None:
        self.feed.sequence += 1
        self.view.apply(event(fact, source="/auth-svc", now=self.clock), self.feed.sequence)

    def beat(self) -> None:
        self.apply(RevocationHeartbeat(sent_at=self.clock()))

    def claims(self, **changes: Any) -> Claims:
        values: dict[str, Any] = {
            "issuer": "i",
            "subject": "subject",
            "audience": ("a",),
            "client_id": "client",
            "token_id": "token",
            "issued_at": self.clock(),
            "expires_at": self.clock() + timedelta(minutes=10),
            "scopes": frozenset(),
            "key_id": "key",
            "session_id": "session",
            "grant_id": "grant",
        }
        return Claims(**{**values, **changes})


@pytest.fixture
def setting() -> Setting:
    return Setting()


def end(setting: Setting) -> Any:
    return setting.clock() + timedelta(minutes=10)


async def test_each_kind_of_revocation_hits_its_tokens_alone(setting: Setting) -> None:
    mine, other = (
        setting.claims(),
        setting.claims(subject="s2", client_id="c2", token_id="t2", key_id="k2", session_id="e2", grant_id="g2"),
    )
    until = end(setting)
    facts = [
        TokenRevoked(token_id="token", expires_at=until),
        GrantRevoked(grant_id="grant", expires_at=until),
        SessionRevoked(session_id="session", expires_at=until),
        KeyDistrusted(key_id="key", expires_at=until),
        SubjectRevoked(subject_id="subject", not_before=setting.clock(), expires_at=until),
        ClientRevoked(client_id="client", not_before=setting.clock(), expires_at=until),
    ]
    for fact in facts:
        setting = Setting()
        assert not setting.view.revoked(mine)
        setting.apply(fact)
        assert setting.view.revoked(mine)
        assert not setting.view.revoked(other)


def test_tokens_issued_up_to_and_at_not_before_are_refused_and_later_ones_are_not(setting: Setting) -> None:
    setting.apply(SubjectRevoked(subject_id="subject", not_before=setting.clock(), expires_at=end(setting)))
    second = timedelta(seconds=1)
    assert setting.view.revoked(setting.claims(issued_at=setting.clock() - second))
    assert setting.view.revoked(setting.claims(issued_at=setting.clock()))
    assert not setting.view.revoked(setting.claims(issued_at=setting.clock() + second))


def test_older_not_before_does_not_loosen_a_newer_one(setting: Setting) -> None:
    now = setting.clock()
    setting.apply(SubjectRevoked(subject_id="subject", not_before=now, expires_at=end(setting)))
    setting.apply(SubjectRevoked(subject_id="subject", not_before=now - timedelta(hours=1), expires_at=now))
    assert setting.view.revoked(setting.claims())


def test_token_without_session_or_grant_is_not_hit_by_those(setting: Setting) -> None:
    setting.apply(GrantRevoked(grant_id="grant", expires_at=end(setting)))
    assert not setting.view.revoked(setting.claims(grant_id=None, session_id=None))


def test_entry_outlives_the_leeway_of_the_token_that_it_revokes(setting: Setting) -> None:
    """A token is taken until 5 s after its `exp`, so a revocation that ends with `exp` must not be forgotten then."""
    setting.apply(TokenRevoked(token_id="token", expires_at=end(setting)))
    claims = setting.claims()
    setting.clock.advance(timedelta(minutes=10, seconds=6))
    setting.beat()
    assert setting.view.revoked(claims)
    setting.clock.advance(MARGIN)
    setting.beat()
    assert not setting.view.revoked(claims)
    assert setting.view.status()["entries"]["tokens"] == 0


def entries(setting: Setting) -> int:
    return sum(setting.view.status()["entries"].values())


def test_many_entries_that_end_together_are_cleared_away_in_steps(setting: Setting) -> None:
    """Nobody waits for it: a step is so many entries, however many have ended."""
    for number in range(2 * STEP + 1):
        setting.apply(TokenRevoked(token_id=f"t{number}", expires_at=end(setting)))
    setting.clock.advance(timedelta(minutes=10) + MARGIN)
    left = []
    for _ in range(3):
        setting.beat()
        left.append(entries(setting))
    assert left == [STEP + 1, 1, 0]


def test_entries_go_faster_than_they_can_come(setting: Setting) -> None:
    """Memory stays bounded though no heartbeat comes."""
    for number in range(1000):
        setting.apply(GrantRevoked(grant_id=f"old{number}", expires_at=end(setting)))
    setting.clock.advance(timedelta(minutes=10) + MARGIN)
    for number in range(250):
        setting.apply(GrantRevoked(grant_id=f"new{number}", expires_at=end(setting)))
    assert entries(setting) == 250


def test_view_without_a_feed_is_stale() -> None:
    assert RevocationView().state() is State.STALE


def test_view_is_fresh_for_three_seconds_after_a_live_heartbeat(setting: Setting) -> None:
    assert setting.view.state() is State.STALE
    setting.beat()
    assert setting.view.state() is State.FRESH
    setting.ticks.now += 3
    assert setting.view.state() is State.FRESH
    setting.ticks.now += 0.01
    assert setting.view.state() is State.STALE
    setting.beat()
    assert setting.view.state() is State.FRESH


def test_replayed_heartbeat_proves_nothing(setting: Setting) -> None:
    """At a start, the stream holds the last heartbeat of an authorization server that may be long dead."""
    setting.feed.caught_up = False
    setting.beat()
    assert setting.view.state() is State.CATCHING_UP
    setting.feed.caught_up = True
    assert setting.view.state() is State.STALE


def test_heartbeat_that_waited_in_a_buffer_proves_nothing(setting: Setting) -> None:
    """A process that was suspended finds old messages first when it goes on."""
    late = RevocationHeartbeat(sent_at=setting.clock())
    setting.clock.advance(timedelta(minutes=5))
    setting.apply(late)
    assert setting.view.state() is State.STALE


def test_lost_connection_is_stale_and_a_gap_is_catching_up(setting: Setting) -> None:
    setting.beat()
    setting.feed.caught_up = False
    assert setting.view.state() is State.CATCHING_UP
    setting.feed.connected = False
    assert setting.view.state() is State.STALE


def test_revocations_are_no_heartbeat(setting: Setting) -> None:
    setting.apply(TokenRevoked(token_id="token", expires_at=end(setting)))
    assert setting.view.state() is State.STALE


def test_other_facts_are_ignored(setting: Setting) -> None:
    issued = TokenIssued(
        token_id="token", client_id="c", subject_id="s", grant_type="g", scope="", expires_at=end(setting)
    )
    setting.apply(issued)
    assert not setting.view.revoked(setting.claims())


def test_reset_forgets_freshness_and_no_revocation(setting: Setting) -> None:
    """A stream that was lost with its disk may come back without what was in it."""
    setting.apply(TokenRevoked(token_id="token", expires_at=end(setting)))
    setting.beat()
    setting.view.reset()
    assert setting.view.state() is State.STALE
    assert setting.view.revoked(setting.claims())


def test_status_tells_what_operators_ask(setting: Setting) -> None:
    revoked = event(TokenRevoked(token_id="token", expires_at=end(setting)), source="/auth-svc", now=setting.clock)
    setting.clock.advance(timedelta(milliseconds=2))
    setting.view.apply(revoked, 1)
    setting.feed.sequence = 1
    setting.beat()
    setting.ticks.now += 1.5
    assert setting.view.status() == {
        "state": "FRESH",
        "replayed": True,
        "stream": None,
        "sequence": 2,
        "lag": 0,
        "heartbeat_age_seconds": 1.5,
        "latency_seconds": 0.002,
        "entries": {"tokens": 1, "grants": 0, "sessions": 0, "subjects": 0, "clients": 0, "keys": 0},
    }


IDS = st.sampled_from(["a", "b", "c"])
SECONDS = st.integers(0, 700)


class ViewMachine(RuleBasedStateMachine):
    """Any history of facts and time: the view says what a search through the list of all facts says."""

    def __init__(self) -> None:
        super().__init__()
        self.setting = Setting()
        self.facts: list[tuple[str, str, Any, Any]] = []

    @rule(kind=st.sampled_from(["tokens", "grants", "sessions", "keys"]), identifier=IDS, life=SECONDS)
    def revoke(self, kind: str, identifier: str, life: int) -> None:
        until = self.setting.clock() + timedelta(seconds=life)
        fact: Contract
        match kind:
            case "tokens":
                fact = TokenRevoked(token_id=identifier, expires_at=until)
            case "grants":
                fact = GrantRevoked(grant_id=identifier, expires_at=until)
            case "sessions":
                fact = SessionRevoked(session_id=identifier, expires_at=until)
            case _:
                fact = KeyDistrusted(key_id=identifier, expires_at=until)
        self.setting.apply(fact)
        self.facts.append((kind, identifier, None, until))

    @rule(kind=st.sampled_from(["subjects", "clients"]), identifier=IDS, back=SECONDS, life=SECONDS)
    def revoke_up_to(self, kind: str, identifier: str, back: int, life: int) -> None:
        until = self.setting.clock() + timedelta(seconds=life)
        not_before = self.setting.clock() - timedelta(seconds=back)
        if kind == "subjects":
            self.setting.apply(SubjectRevoked(subject_id=identifier, not_before=not_before, expires_at=until))
        else:
            self.setting.apply(ClientRevoked(client_id=identifier, not_before=not_before, expires_at=until))
        self.facts.append((kind, identifier, not_before, until))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.setting.clock.advance(timedelta(seconds=seconds))
        self.setting.beat()

    @rule()
    def start_over(self) -> None:
        self.setting.view.reset()

    @rule(token=IDS, grant=st.none() | IDS, session=st.none() | IDS, key=IDS, subject=IDS, client=IDS, age=SECONDS)
    def ask(
        self, token: str, grant: str | None, session: str | None, key: str, subject: str, client: str, age: int
    ) -> None:
        now = self.setting.clock()
        issued_at = now - timedelta(seconds=age)
        claims = self.setting.claims(
            token_id=token,
            grant_id=grant,
            session_id=session,
            key_id=key,
            subject=subject,
            client_id=client,
            issued_at=issued_at,
        )
        mine = {
            "tokens": token,
            "grants": grant,
            "sessions": session,
            "keys": key,
            "subjects": subject,
            "clients": client,
        }
        hits = [
            until
            for kind, identifier, not_before, until in self.facts
            if mine[kind] == identifier and (not_before is None or issued_at <= not_before)
        ]
        if any(until > now for until in hits):
            assert self.setting.view.revoked(claims)
        elif not hits:
            assert not self.setting.view.revoked(claims)

    @invariant()
    def nothing_is_kept_for_ever(self) -> None:
        self.setting.beat()
        alive = {(kind, who) for kind, who, _, until in self.facts if until + MARGIN > self.setting.clock()}
        assert sum(self.setting.view.status()["entries"].values()) == len(alive)


ViewMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestView = ViewMachine.TestCase
