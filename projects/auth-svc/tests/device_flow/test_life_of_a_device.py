"""The life of a device code as a state machine: whatever happens in whatever order, its promises hold."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, create_engine

from auth_svc import clients, signin
from auth_svc.approvals import INTERVAL, Approval
from auth_svc.clients.store import clients as clients_table
from auth_svc.db import Ledger, metadata
from auth_svc.device_flow import DeviceCode, store
from auth_svc.device_flow.flow import Device
from auth_svc.errors import OAuthError
from auth_svc.resources import Resources, shipments
from auth_svc.signin.flow import Session
from auth_svc.signin.store import start_session
from auth_svc.token import Authorized, Form
from auth_svc.users.store import User
from auth_svc.users.store import add as add_user

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIFE = timedelta(minutes=10)


def world() -> Connection:
    """A database with a person, her session, two clients, and a device that waits."""
    connection = create_engine("sqlite://").connect()
    metadata.create_all(connection)
    clara = User(
        user_id="u",
        username="clara",
        name="Clara",
        email="",
        roles=("clerk",),
        disabled=False,
        sign_in_again_at=None,
        updated_at=NOON,
    )
    add_user(connection, clara, password_hash="-")
    for client_id in ("mine", "other"):
        connection.execute(
            clients_table.insert().values(
                client_id=client_id,
                metadata='{"scope":"openid shipments:read"}',
                created_at=NOON,
            )
        )
    session = Session(session_id="s", user_id="u", auth_time=NOON, amr=("pwd",), expires_at=NOON + timedelta(days=30))
    start_session(connection, session, secret="secret")
    device = Device(
        device_id="d",
        client_id="mine",
        scope=("openid", "shipments:read"),
        resource=(),
        details=(),
        status="pending",
        approval=None,
        interval=INTERVAL,
        polled_at=None,
        decided_at=None,
        expires_at=NOON + LIFE,
        used=False,
    )
    store.keep(connection, device, device_code="device-code", user_code_hash=b"h")
    return connection


class LifeOfADevice(RuleBasedStateMachine):
    """Polls, decisions, sign-outs and time, in any order."""

    @initialize()
    def begin(self) -> None:
        self.connection = world()
        self.now = NOON
        resources = Resources(Mock(Ledger), issuer="http://a.example", default=shipments("http://b.example"))
        self.grant = DeviceCode(resources, life=LIFE)
        self.decision: str | None = None
        self.decided_at = NOON
        self.tokens = 0
        self.signed_out = False

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.connection.close()
            self.connection.engine.dispose()

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 5.0, 10.0, 60.0, 300.0, 599.0]))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(allow=st.booleans())
    def decide(self, allow: bool) -> None:
        if allow:
            approval = Approval(
                user_id="u", session_id="s", grant_id="g", auth_time=NOON, amr=("pwd",), scope=("shipments:read",)
            )
            counted = store.decisions.approve(self.connection, "d", approval, now=self.now)
        else:
            counted = store.decisions.deny(self.connection, "d", now=self.now)
        assert counted == (self.decision is None and self.now < NOON + LIFE)
        if counted:
            self.decision, self.decided_at = ("allow" if allow else "deny"), self.now

    @precondition(lambda self: not self.signed_out)
    @rule()
    def sign_out(self) -> None:
        self.signed_out = signin.store.end_session(self.connection, "s", now=self.now)

    @rule(client_id=st.sampled_from(["mine", "mine", "mine", "other"]))
    def poll(self, client_id: str) -> None:
        client = clients.find(self.connection, client_id)
        assert client
        form = Form({"device_code": "device-code"})
        savepoint = self.connection.begin_nested()
        try:
            outcome = self.grant.authorize(self.connection, client, form, self.now)
            savepoint.commit()
        except OAuthError as error:
            savepoint.rollback()
            self.check_error(client_id, error.code)
            return
        if isinstance(outcome, Authorized):
            self.tokens += 1
            assert client_id == "mine"
            assert self.decision == "allow"
            assert not self.signed_out
            assert self.now < self.decided_at + LIFE
            assert outcome.scope == ("shipments:read",)
        else:
            assert outcome.error.code in {"authorization_pending", "slow_down"}
            assert self.decision is None
            assert self.now < NOON + LIFE

    def check_error(self, client_id: str, code: str) -> None:
        if client_id == "other":
            assert code == "invalid_grant"
        elif self.decision == "deny":
            assert code == "access_denied"
        elif self.decision is None:
            assert code == "expired_token"
            assert self.now >= NOON + LIFE
        elif self.tokens:
            assert code == "invalid_grant"
        elif self.now >= self.decided_at + LIFE:
            assert code == "expired_token"
        else:
            assert self.signed_out
            assert code == "invalid_grant"

    @invariant()
    def tokens_at_most_once(self) -> None:
        assert getattr(self, "tokens", 0) <= 1


TestLifeOfADevice = LifeOfADevice.TestCase
TestLifeOfADevice.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
