"""When a delivery is tried again. The loop is tested with what is carried: deliveries of auth-svc, webhooks."""

from datetime import timedelta

from lib_one.courier import LONGEST_WAIT, back_off


def test_waits_double_and_end_at_an_hour() -> None:
    assert [back_off(attempts).total_seconds() for attempts in (1, 2, 3, 4)] == [5, 10, 20, 40]
    assert back_off(11) == back_off(10_000) == LONGEST_WAIT


def test_a_day_has_some_thirty_attempts() -> None:
    spent, attempts = timedelta(), 0
    while spent < timedelta(days=1):
        attempts += 1
        spent += back_off(attempts)
    assert 20 < attempts < 40
