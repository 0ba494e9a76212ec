"""Signals are polled (RFC 8936)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from auth_svc.settings import Settings
from auth_svc.signals.events import SESSION_REVOKED, security_event
from auth_svc.signals.store import append
from auth_svc.testing import House, settings_in
from lib_one.testing import eventually

type Receiver = Any
"""See conftest."""


@pytest.fixture
def settings(folder: Any) -> Settings:
    """Who polls waits for as long as may be: a test that ends is woken."""
    return settings_in(folder, signal_poll_wait=300)


async def test_what_is_not_acknowledged_comes_again_and_then_never_2_4(
    intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    for _ in range(3):
        await revoke()
    first = await intranet.poll(maxEvents=2)
    assert (len(first["sets"]), first["moreAvailable"]) == (2, True)
    again = await intranet.poll()
    assert (len(again["sets"]), again["moreAvailable"]) == (3, False)
    assert list(again["sets"])[:2] == list(first["sets"])
    rest = await intranet.poll(ack=[*first["sets"], "unknown", "\0"])
    assert list(rest["sets"]) == list(again["sets"])[2:]
    assert await intranet.poll(maxEvents=0, ack=list(rest["sets"])) == {"sets": {}, "moreAvailable": False}
    assert await intranet.poll() == {"sets": {}, "moreAvailable": False}


async def test_nobody_acknowledges_what_is_anothers(
    intranet: Receiver, partner: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await partner.stream()
    await revoke()
    await partner.poll(ack=list((await intranet.poll())["sets"]))
    assert len((await intranet.poll())["sets"]) == 1


async def test_no_more_than_acknowledging_is_asked_for_with_0_2_2(
    intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await revoke()
    assert await intranet.poll(maxEvents=0, returnImmediately=False) == {"sets": {}, "moreAvailable": True}


async def test_an_answer_waits_for_the_next_signal_2_2(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    waiting = asyncio.create_task(intranet.poll(returnImmediately=False))
    await eventually(lambda: bool(_poller(house)._waiting))
    assert not waiting.done()
    await revoke()
    assert len((await waiting)["sets"]) == 1
    assert not _poller(house)._waiting


async def test_what_another_process_recorded_is_found(house: House, intranet: Receiver) -> None:
    await intranet.stream()
    waiting = asyncio.create_task(intranet.poll(returnImmediately=False))
    await eventually(lambda: bool(_poller(house)._waiting))
    event = security_event(
        SESSION_REVOKED, issuer=house.issuer, audience="intranet", at=house.clock(), subject={}, about={}
    )
    # No bell rings for it.
    await house.app.ledger.database.work(lambda c: append(c, intranet.stream_id, event, now=house.clock()))
    assert list((await waiting)["sets"]) == [event.jti]


async def test_the_next_poll_ends_the_one_that_waits(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    first = asyncio.create_task(intranet.poll(returnImmediately=False))
    await eventually(lambda: bool(_poller(house)._waiting))
    second = asyncio.create_task(intranet.poll(returnImmediately=False))
    assert (await first)["sets"] == {}
    await revoke()
    assert len((await second)["sets"]) == 1


async def test_nothing_after_the_wait_is_an_empty_answer_2_2(house: House, intranet: Receiver) -> None:
    await intranet.stream()
    _poller(house)._wait = 0.001
    assert await intranet.poll(returnImmediately=False) == {"sets": {}, "moreAvailable": False}


async def test_a_signal_that_is_no_good_is_not_sent_again_and_said_so_2_6(
    house: House, intranet: Receiver, revoke: Callable[..., Any]
) -> None:
    await intranet.stream()
    await revoke()
    await revoke()
    first, second = (await intranet.poll())["sets"]
    errors = {
        first: {"err": "invalid_audience", "description": "Not for me"},
        second: {"err": "my\0own", "description": "?"},
        "unknown": {"err": "x"},
    }
    assert await intranet.poll(setErrs=errors) == {"sets": {}, "moreAvailable": False}
    told = [(event.data.signal_id, event.data.error) for event in await house.events("SignalRefused")]  # type: ignore[attr-defined]
    assert told == [(first, "invalid_audience"), (second, "other")]


async def test_a_malformed_poll_is_400_and_a_pushed_stream_is_not_polled(intranet: Receiver) -> None:
    await intranet.stream(push_to="https://intranet.example/events")
    answer = await intranet.call("POST", "poll", json={})
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown_stream")
    for body in (b"", b"[]", b'{"maxEvents": -1}', b'{"ack": "x"}', b'{"setErrs": {"x": 1}}'):
        answer = await intranet.call("POST", "poll", content=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), body


def _poller(house: House) -> Any:
    return house.app.endpoints["/ssf/poll"].handler("POST")
