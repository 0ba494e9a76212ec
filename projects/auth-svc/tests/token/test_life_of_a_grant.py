"""The life of a family of refresh tokens as a state machine: whatever happens in whatever order, its promises hold.

Over HTTP, so that what a refusal undoes and what it keeps is the real thing (RFC 6749 section 6, RFC 9700 4.14).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

GRANTED = "openid offline_access shipments:read shipments:write"
UNUSED_LIFE = timedelta(days=30)
GRANT_LIFE = timedelta(days=90)


@dataclass
class Family:
    """What is known of a grant."""

    ends: datetime
    revoked: bool = False
    access: list[tuple[str, float]] = field(default_factory=list)
    """Each access token and when it expires."""


@dataclass
class Token:
    """What is known of a refresh token."""

    family: Family
    secret: str
    expires: datetime
    used: bool = False


class LifeOfAGrant(RuleBasedStateMachine):
    """Refreshes, revocations and time, in any order."""

    tokens = Bundle("tokens")

    def __init__(self, living: Any) -> None:
        super().__init__()
        self.house, self.run = living.house, living.run
        self.families: list[Family] = []

    @property
    def now(self) -> datetime:
        now: datetime = self.house.clock()
        return now

    @rule(target=tokens)
    def begin(self) -> Token:
        family = Family(ends=self.now + GRANT_LIFE)
        self.families.append(family)
        return self.keep(family, self.run(self.house.tokens("clara", scope=GRANTED)))

    @rule(
        target=tokens,
        token=tokens,
        client=st.sampled_from(["cli-proj"] * 4 + ["gui-proj"]),
        scope=st.sampled_from(["", "", "shipments:read", "openid shipments:read", "shipments:scan", 'bad"']),
    )
    def refresh(self, token: Token, client: str, scope: str) -> Any:
        answer = self.run(self.house.refresh(token.secret, client=client, scope=scope))
        expected = self.expected(token, client, scope)
        if expected is not None:
            assert (answer.status_code, answer.json()["error"]) == (400, expected)
            return multiple()
        assert answer.status_code == 200, answer.text
        token.used = True
        assert answer.json()["scope"] == (scope or GRANTED)
        return self.keep(token.family, answer.json())

    def expected(self, token: Token, client: str, scope: str) -> str | None:
        if client != "cli-proj" or token.family.revoked:
            return "invalid_grant"
        if token.used:
            token.family.revoked = True
            return "invalid_grant"
        if self.now >= token.expires:
            return "invalid_grant"
        return "invalid_scope" if scope in {"shipments:scan", 'bad"'} else None

    @rule(token=tokens, client=st.sampled_from(["cli-proj", "gui-proj"]))
    def revoke(self, token: Token, client: str) -> None:
        answer = self.run(self.house.post("/revoke", {"token": token.secret, "client_id": client}))
        assert answer.status_code == (200 if client == "cli-proj" else 400)
        token.family.revoked |= client == "cli-proj"

    @rule(passed=st.sampled_from([timedelta(minutes=4), timedelta(minutes=11), timedelta(days=16), timedelta(days=31)]))
    def wait(self, passed: timedelta) -> None:
        self.house.clock.advance(passed)

    @invariant()
    def access_tokens_live_as_long_as_their_grant(self) -> None:
        for family in self.families:
            for token, expires in family.access[-3:]:
                alive = not family.revoked and expires > self.now.timestamp()
                assert self.run(self.house.active(token)) == alive

    def keep(self, family: Family, answer: dict[str, Any]) -> Token:
        family.access.append((answer["access_token"], self.house.claims(answer["access_token"])["exp"]))
        return Token(family, answer["refresh_token"], min(self.now + UNUSED_LIFE, family.ends))


def test_life_of_a_grant(living: Any) -> None:
    run_state_machine_as_test(
        lambda: LifeOfAGrant(living), settings=settings(max_examples=20, stateful_step_count=25, deadline=None)
    )
