"""User codes, and what a poll is answered, without I/O."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_svc.approvals import Answer, answer
from auth_svc.device_flow.flow import (
    ALPHABET,
    Device,
    new_user_code,
    read_user_code,
    show_user_code,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIFE = timedelta(minutes=10)


def device(
    status: Literal["pending", "approved", "denied"],
    *,
    decided: float | None = None,
    polled: float | None = None,
    used: bool = False,
) -> Device:
    return Device(
        device_id="1",
        client_id="c",
        scope=("openid",),
        resource=(),
        details=(),
        status=status,
        approval=None,
        interval=timedelta(seconds=5),
        polled_at=None if polled is None else NOON + timedelta(seconds=polled),
        decided_at=None if decided is None else NOON + timedelta(seconds=decided),
        expires_at=NOON + LIFE,
        used=used,
    )


@pytest.mark.parametrize(
    ("found", "at", "expected"),
    [
        (device("pending"), 0, Answer.PENDING),
        (device("pending", polled=0), 4, Answer.SLOW_DOWN),
        (device("pending", polled=0), 4.8, Answer.PENDING),
        (device("pending"), 599.9, Answer.PENDING),
        (device("pending"), 600, Answer.EXPIRED),
        (device("pending", polled=599), 600, Answer.EXPIRED),
        (device("approved", decided=10, polled=10), 11, Answer.TOKENS),
        (device("approved", decided=599), 700, Answer.TOKENS),
        (device("approved", decided=599), 1199, Answer.EXPIRED),
        (device("approved", decided=10, used=True), 11, Answer.USED),
        (device("denied", decided=10), 11, Answer.DENIED),
        (device("denied", decided=10), 5000, Answer.DENIED),
    ],
)
def test_what_the_person_said_comes_before_the_expiry_rfc8628_3_5(found: Device, at: float, expected: Answer) -> None:
    assert answer(found, life=LIFE, now=NOON + timedelta(seconds=at)) is expected


def test_user_codes_have_no_vowels_and_read_back() -> None:
    for _ in range(200):
        code = new_user_code()
        assert len(code) == 8
        assert set(code) <= set(ALPHABET)
        assert read_user_code(show_user_code(code)) == code
        assert read_user_code(show_user_code(code).lower().replace("-", " - ")) == code


@given(st.text())
def test_whatever_is_typed_is_a_code_or_none(typed: str) -> None:
    code = read_user_code(typed)
    assert code is None or (len(code) == 8 and set(code) <= set(ALPHABET))
