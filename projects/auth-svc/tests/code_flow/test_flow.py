"""The rules of the code flow, without I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_svc.clients import redirect_uri_matches
from auth_svc.code_flow.answer import location
from auth_svc.code_flow.code import verifier_fits
from auth_svc.code_flow.flow import AuthorizationRequest
from auth_svc.code_flow.steps import Step, next_step
from auth_svc.testing import CHALLENGE, VERIFIER
from auth_svc.web import parse_fields

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def asked(
    *,
    redirect_uri: str = "https://a.example/cb",
    prompt: tuple[str, ...] = (),
    max_age: int | None = None,
    subjects: tuple[str, ...] | None = None,
) -> AuthorizationRequest:
    return AuthorizationRequest(
        id="1",
        asked_at=NOON,
        client_id="c",
        redirect_uri=redirect_uri,
        scope=("openid",),
        code_challenge=CHALLENGE,
        prompt=prompt,
        max_age=max_age,
        subjects=subjects,
    )


BEFORE, AFTER = NOON - timedelta(minutes=5), NOON + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("request_", "auth_time", "remembered", "confidential", "step"),
    [
        (asked(), None, True, True, Step.SIGN_IN),
        (asked(), BEFORE, True, True, Step.NOTHING),
        (asked(), BEFORE, False, True, Step.CONSENT),
        (asked(), BEFORE, True, False, Step.CONSENT),
        (asked(prompt=("login",)), BEFORE, True, True, Step.CONFIRM),
        (asked(prompt=("login",)), AFTER, True, True, Step.NOTHING),
        (asked(prompt=("consent", "login")), AFTER, True, True, Step.CONSENT),
        (asked(prompt=("select_account",)), BEFORE, True, True, Step.CONSENT),
        (asked(max_age=0), BEFORE, True, True, Step.CONFIRM),
        (asked(max_age=0), AFTER, True, True, Step.NOTHING),
        (asked(max_age=309), BEFORE, True, True, Step.CONFIRM),
        (asked(prompt=("create",)), BEFORE, True, True, Step.SIGN_IN),
        (asked(max_age=311), BEFORE, True, True, Step.NOTHING),
        (asked(subjects=("me",)), BEFORE, True, True, Step.NOTHING),
        (asked(subjects=("you",)), BEFORE, True, True, Step.SIGN_IN),
        (asked(subjects=("you",)), AFTER, True, True, Step.REFUSE),
    ],
)
def test_who_must_be_asked(
    request_: AuthorizationRequest, auth_time: datetime | None, remembered: bool, confidential: bool, step: Step
) -> None:
    found = next_step(
        request_,
        user_id=None if auth_time is None else "me",
        auth_time=auth_time,
        remembered=remembered,
        confidential=confidential,
        now=NOON + timedelta(seconds=10),
    )
    assert found is step


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_state_comes_back_byte_for_byte_oauth21_4_1_2(state: str) -> None:
    found = location("https://a.example/cb", {"code": "c", "state": state})
    assert parse_fields(found.partition("?")[2].encode())["state"] == state


def test_verifier_of_rfc7636_appendix_b_fits() -> None:
    assert verifier_fits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")


@given(st.text())
def test_no_other_verifier_fits(verifier: str) -> None:
    assert not verifier_fits(verifier, CHALLENGE)
    assert verifier_fits(VERIFIER, CHALLENGE)


@given(st.integers(1, 65535), st.sampled_from(["127.0.0.1", "[::1]"]))
def test_loopback_port_is_free_and_nothing_else_rfc8252_7_3(port: int, host: str) -> None:
    registered = f"http://{host}/callback"
    assert redirect_uri_matches(registered, f"http://{host}:{port}/callback")
    assert not redirect_uri_matches(registered, f"http://{host}:{port}/callback/more")
    assert not redirect_uri_matches(registered, f"http://localhost:{port}/callback")
    assert not redirect_uri_matches("https://a.example/callback", f"https://a.example:{port}/callback")
