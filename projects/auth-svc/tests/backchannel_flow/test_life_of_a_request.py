"""The life of a backchannel request as a state machine, over the real page and /token (CIBA Core section 11)."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from auth_svc.clients import NewClient
from auth_svc.testing import SECRET, browsing

GRANT = "urn:openid:params:grant-type:ciba"
SCOPE = "openid shipments:read"
LIFE = timedelta(minutes=5)
SESSION_LIFE = timedelta(hours=12)
TILL = NewClient(client_id="till", client_name="Till", secret=SECRET, grant_types=(GRANT,), scope=SCOPE)


class LifeOfARequest(RuleBasedStateMachine):
    """Polls, decisions, sign-outs and time, in any order."""

    def __init__(self, living: Any) -> None:
        super().__init__()
        self.house, self.run = living.house, living.run
        self.browsing = browsing(self.house)
        self.person = self.run(self.browsing.__aenter__())
        self.signed_in_until: datetime | None = None

    def teardown(self) -> None:
        self.run(self.browsing.__aexit__(None, None, None))

    @property
    def now(self) -> datetime:
        now: datetime = self.house.clock()
        return now

    @initialize()
    def begin(self) -> None:
        self.house.clock.advance(timedelta(minutes=10))  # whatever waited before is over, and so is the limit
        form = {"scope": SCOPE, "login_hint": "clara"}
        answer = self.run(self.house.post("/backchannel_authentication", form, client="till"))
        assert answer.status_code == 200, answer.text
        self.auth_req_id = answer.json()["auth_req_id"]
        self.expires = self.now + LIFE
        self.decision: str | None = None
        self.decided = self.now
        self.session_over = False
        self.polled: datetime | None = None
        self.interval = timedelta(seconds=5)
        self.tokens = 0

    @rule(seconds=st.sampled_from([1, 10, 60, 299, 300]))
    def wait(self, seconds: int) -> None:
        self.house.clock.advance(timedelta(seconds=seconds))

    @rule(decision=st.sampled_from(["allow", "allow", "deny"]))
    def decide(self, decision: str) -> None:
        page = self.run(self.person.go("/requests"))
        if 'name="password"' in page.text:
            page = self.run(self.person.sign_in("clara"))
            self.signed_in_until = self.now + SESSION_LIFE
        waits = self.decision is None and self.now < self.expires
        assert ('name="request_id"' in page.text) == waits
        if waits:
            self.run(self.person.submit(decision=decision))
            self.decision, self.decided = decision, self.now

    @rule()
    def sign_out(self) -> None:
        if self.signed_in_until is not None and self.now < self.signed_in_until:
            self.run(self.person.sign_out())
            self.session_over |= self.decision == "allow"
            self.signed_in_until = None

    @rule(client=st.sampled_from(["till", "till", "till", "other"]))
    def poll(self, client: str) -> None:
        form = {"grant_type": GRANT, "auth_req_id": self.auth_req_id}
        answer = self.run(self.house.post("/token", form, client=client))
        expected = self.expected(client)
        if expected is None:
            assert answer.status_code == 200, answer.text
            assert answer.json()["scope"] == SCOPE
            self.tokens += 1
        else:
            assert (answer.status_code, answer.json()["error"]) == (400, expected)

    def expected(self, client: str) -> str | None:
        if client == "other" or self.tokens:
            return "invalid_grant"
        if self.decision == "deny":
            return "access_denied"
        if self.decision == "allow":
            if self.now >= self.decided + LIFE:
                return "expired_token"
            return "invalid_grant" if self.session_over else None
        if self.now >= self.expires:
            return "expired_token"
        early = self.polled is not None and self.now < self.polled + self.interval
        self.interval += timedelta(seconds=5) if early else timedelta()
        self.polled = self.now
        return "slow_down" if early else "authorization_pending"

    @invariant()
    def tokens_at_most_once(self) -> None:
        assert getattr(self, "tokens", 0) <= 1


def test_life_of_a_request(living: Any) -> None:
    def unit(connection: Any) -> None:
        living.house.app.registration.add(connection, TILL)
        living.house.app.registration.add(connection, msgspec.structs.replace(TILL, client_id="other"))

    living.run(living.house.app.ledger.database.work(unit))
    run_state_machine_as_test(
        lambda: LifeOfARequest(living), settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )
