"""The rules of webhooks: when a delivery is tried again, what an endpoint may want, and where it may be."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from lib_one.webhooks.flow import PATIENCE, WebhookError, checked_types, checked_url, next_attempt, wants

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
KNOWN = ("shipment.delivered.v1", "shipment.scanned.v1", "user.changed.v1")


def test_a_delivery_is_tried_for_a_day_and_no_longer() -> None:
    now, times = BEGIN, [BEGIN]
    while (until := next_attempt(len(times), tried_since=BEGIN, now=now, dice=0.5)) is not None:
        now = until
        times.append(now)
    assert times[-1] == BEGIN + PATIENCE == BEGIN + timedelta(days=1)
    assert 25 < len(times) < 45
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[0] < timedelta(seconds=5)
    assert max(waits) < timedelta(hours=1)


def test_waits_differ_so_that_what_failed_together_does_not_come_back_together() -> None:
    first, last = (next_attempt(3, tried_since=BEGIN, now=BEGIN, dice=dice) for dice in (1.0, 0.0))
    assert (first, last) == (BEGIN + timedelta(seconds=15), BEGIN + timedelta(seconds=20))


def test_a_receiver_may_ask_for_more_time_within_reason() -> None:
    def waits(asked: timedelta) -> timedelta:
        until = next_attempt(1, tried_since=BEGIN, now=BEGIN, dice=0, retry_after=asked)
        assert until is not None
        return until - BEGIN

    assert waits(timedelta(minutes=10)) == timedelta(minutes=10)
    assert waits(timedelta(seconds=1)) == timedelta(seconds=5)
    assert waits(timedelta(days=300)) == timedelta(hours=1)


def test_types_are_chosen_by_name_by_pattern_or_all() -> None:
    assert checked_types(["user.changed.v1", "shipment.*", "user.changed.v1"], KNOWN) == (
        "user.changed.v1",
        "shipment.*",
    )
    assert wants(["shipment.*"], "shipment.scanned.v1")
    assert not wants(["shipment.*", "user.changed.v1"], "shipments.other.v1")
    assert all(wants(checked_types(["*"], KNOWN), name) for name in KNOWN)


@pytest.mark.parametrize(
    "types", [[], ["shipment"], ["ship*"], ["other.*"], ["shipment.scanned.v2"], [".*"], ["*"] * 101]
)
def test_types_that_nothing_here_has_are_refused_with_those_that_there_are(types: list[str]) -> None:
    with pytest.raises(WebhookError, match=r"types: (known are shipment\.delivered\.v1, .*shipment\.\*|name 1 to 100)"):
        checked_types(types, KNOWN)


@pytest.mark.parametrize(
    "url", ["https://partner.example/in?of=us", "https://203.0.114.7:8443/", "https://[2606::1]/in"]
)
def test_an_endpoint_is_at_a_public_https_address(url: str) -> None:
    assert checked_url(url, loopback=False) == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/in", "http://localhost/in", "https://[::1]/in"])
def test_an_endpoint_is_on_this_machine_where_that_is_allowed(url: str) -> None:
    assert checked_url(url, loopback=True) == url
    if "localhost" not in url or url.startswith("http:"):
        with pytest.raises(WebhookError):
            checked_url(url, loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "partner.example",
        "http://partner.example/in",
        "ftp://partner.example/in",
        "https://",
        "https://user:secret@partner.example/",
        "https://user@partner.example/",
        "https://partner.example/#part",
        "https://partner.example:port/",
        "https://part ner.example/",
        "https://partner.example/\n",
        "https://partner.example/ä",
        "https://partner.example/" + "x" * 2048,
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
    ],
)
@pytest.mark.parametrize("loopback", [True, False])
def test_no_other_address_is_one(url: str, loopback: bool) -> None:
    with pytest.raises(WebhookError, match="url: ") as caught:
        checked_url(url, loopback=loopback)
    assert "secret" not in str(caught.value)
