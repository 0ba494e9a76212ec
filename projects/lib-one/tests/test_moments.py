"""Moments as operators type them."""

from datetime import UTC, datetime

import pytest

from lib_one.moments import moment

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90s", datetime(2026, 11, 21, 9, 58, 30, tzinfo=UTC)),
        ("10m", datetime(2026, 11, 21, 9, 50, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 21, 8, 0, tzinfo=UTC)),
        ("1d", datetime(2026, 11, 20, 10, 0, tzinfo=UTC)),
        ("2026-11-21T08:30Z", datetime(2026, 11, 21, 8, 30, tzinfo=UTC)),
        ("2026-11-21T08:30+02:00", datetime(2026, 11, 21, 6, 30, tzinfo=UTC)),
        ("2026-11-21", datetime(2026, 11, 21, tzinfo=UTC)),
    ],
)
def test_so_long_ago_or_a_time(text: str, wanted: datetime) -> None:
    assert moment(text, now=NOW) == wanted


@pytest.mark.parametrize("text", ["", "10", "10 m", "-5m", "yesterday", "999999d", "0001-01-01T00:00+14:00"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment: write 10m"):
        moment(text, now=NOW)
