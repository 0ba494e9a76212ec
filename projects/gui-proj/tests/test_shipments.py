"""The words for times, promises and people."""

from datetime import timedelta

import pytest

from gui_proj.shipments import Place, promise, span, who
from gui_proj.testing import SAMPLE_NOW, shipment


@pytest.mark.parametrize(
    ("length", "word"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(seconds=-61), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=47), "47h"),
        (timedelta(hours=48), "2d"),
        (timedelta(days=59), "59d"),
        (timedelta(days=70), "2mo"),
        (timedelta(days=729), "23mo"),
        (timedelta(days=3000), "8y"),
    ],
)
def test_a_span_is_one_short_word(length: timedelta, word: str) -> None:
    assert span(length) == word


@pytest.mark.parametrize(
    ("status", "promised", "words"),
    [
        ("in_transit", timedelta(days=3), ("in 3d", "plain")),
        ("in_transit", timedelta(seconds=20), ("due now", "plain")),
        ("in_transit", timedelta(seconds=-20), ("late", "bad")),
        ("registered", timedelta(days=-3), ("3d late", "bad")),
        ("in_transit", None, ("—", "muted")),
        ("delivered", timedelta(days=1), ("on time", "muted")),
        ("delivered", timedelta(days=-3), ("2d late", "warning")),
    ],
)
def test_a_promise_is_told_as_it_stands(status: str, promised: timedelta | None, words: tuple[str, str]) -> None:
    assert promise(shipment(3, status=status, promised_in=promised), SAMPLE_NOW) == words


def test_a_place_is_named_once() -> None:
    assert str(Place("Singapore", "SG")) == "Singapore, SG"
    assert str(Place("Singapore", "singapore")) == "Singapore"
    assert str(Place("Oslo")) == "Oslo"


def test_people_are_told_apart_without_their_ids() -> None:
    assert who("simulator") == "simulator"
    assert who("0195a3c0-1111-7222-8333-444444abcdef") == "person …abcdef"
