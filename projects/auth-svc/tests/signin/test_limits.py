"""Limits on guessing, without I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_svc.signin.flow import AT_ONE_ACCOUNT, FROM_ONE_ADDRESS, Limit, network_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMIT = Limit(5, timedelta(minutes=1))


def attempts(limit: Limit, gaps: list[float]) -> tuple[int, datetime]:
    """How many of the attempts with these gaps (seconds) were let through, and when the last came."""
    now, drained_until, passed = NOON, None, 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        taken = limit.take(drained_until, now)
        if isinstance(taken, datetime):
            drained_until, passed = taken, passed + 1
    return passed, now


def test_burst_passes_and_the_next_waits_one_interval() -> None:
    drained_until = None
    for _ in range(5):
        taken = LIMIT.take(drained_until, NOON)
        assert isinstance(taken, datetime)
        drained_until = taken
    assert LIMIT.take(drained_until, NOON) == timedelta(minutes=1)
    assert isinstance(LIMIT.take(drained_until, NOON + timedelta(minutes=1)), datetime)


@given(st.lists(st.floats(0, 200), max_size=60))
def test_never_more_than_burst_and_rate_and_never_locked_for_good(gaps: list[float]) -> None:
    passed, now = attempts(LIMIT, gaps)
    assert passed <= 5 + (now - NOON) / LIMIT.interval
    assert attempts(LIMIT, [*gaps, 60.0])[0] == passed + 1


def test_one_address_cannot_drain_what_all_share() -> None:
    assert FROM_ONE_ADDRESS.interval > AT_ONE_ACCOUNT.interval
    assert FROM_ONE_ADDRESS.burst < AT_ONE_ACCOUNT.burst


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_network_is_what_one_attacker_holds(address: str, network: str) -> None:
    assert network_of(address) == network
