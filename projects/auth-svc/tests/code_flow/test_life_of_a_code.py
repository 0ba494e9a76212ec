"""The life of an authorization code as a state machine, over the real pages and /token (OAuth 2.1 section 4.1.3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from auth_svc.testing import LOOPBACK, VERIFIER, browsing

LIFE = timedelta(seconds=60)
SESSION_LIFE = timedelta(hours=12)


@dataclass
class Sitting:
    """One sign-in in the browser."""

    expires: datetime
    ended: bool = False


@dataclass
class Code:
    """What is known of a code."""

    secret: str
    sitting: Sitting
    expires: datetime
    used: bool = False
    revoked: bool = False
    access: str | None = None
    access_expires: float = 0


class LifeOfACode(RuleBasedStateMachine):
    """Codes asked for and redeemed, rightly and wrongly, sign-outs and time, in any order."""

    codes = Bundle("codes")

    def __init__(self, living: Any) -> None:
        super().__init__()
        self.house, self.run = living.house, living.run
        self.browsing = browsing(self.house)
        self.person = self.run(self.browsing.__aenter__())
        self.sitting: Sitting | None = None
        self.known: list[Code] = []

    def teardown(self) -> None:
        self.run(self.browsing.__aexit__(None, None, None))

    @property
    def now(self) -> datetime:
        now: datetime = self.house.clock()
        return now

    def lives(self, sitting: Sitting) -> bool:
        return not sitting.ended and self.now < sitting.expires

    @rule(target=codes)
    def ask(self) -> Code:
        if self.sitting is None or not self.lives(self.sitting):
            self.sitting = Sitting(self.now + SESSION_LIFE)
        code = Code(self.run(self.person.code("clara")), self.sitting, self.now + LIFE)
        self.known.append(code)
        return code

    @rule(
        code=codes,
        wrong=st.sampled_from(
            [{}] * 4
            + [
                {"client_id": "gui-proj"},
                {"redirect_uri": LOOPBACK.replace("53412", "53413")},
                {"code_verifier": VERIFIER[:-1] + "x"},
                {"code_verifier": "short"},
            ]
        ),
        redirect_uri=st.sampled_from([LOOPBACK, ""]),
    )
    def redeem(self, code: Code, wrong: dict[str, str], redirect_uri: str) -> None:
        answer = self.run(self.person.redeem(code.secret, **({"redirect_uri": redirect_uri} | wrong)))
        if wrong or code.used or self.now >= code.expires or not self.lives(code.sitting):
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
            # Only who has the verifier can end anything; a stolen code is no weapon.
            code.revoked |= code.used and not wrong
            return
        assert answer.status_code == 200, answer.text
        code.used = True
        code.access = answer.json()["access_token"]
        code.access_expires = self.house.claims(code.access)["exp"]

    @rule()
    def sign_out(self) -> None:
        if self.sitting is not None and self.lives(self.sitting):
            self.run(self.person.sign_out())
            self.sitting.ended = True

    @rule(passed=st.sampled_from([timedelta(seconds=20), timedelta(seconds=61), timedelta(minutes=7)]))
    def wait(self, passed: timedelta) -> None:
        self.house.clock.advance(passed)

    @invariant()
    def tokens_live_as_long_as_nothing_ended_them(self) -> None:
        for code in self.known:
            if code.access is not None:
                alive = not code.revoked and not code.sitting.ended and self.now.timestamp() < code.access_expires
                assert self.run(self.house.active(code.access)) == alive


def test_life_of_a_code(living: Any) -> None:
    run_state_machine_as_test(
        lambda: LifeOfACode(living), settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )
