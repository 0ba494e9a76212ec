"""The timeline of one shipment."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import msgspec

from gui_proj.shipments import Place
from gui_proj.testing import SAMPLE_NOW, FakeBackend, shipment

type Open = Callable[..., AbstractAsyncContextManager[Any]]


def two() -> FakeBackend:
    return FakeBackend([shipment(1, promised_in=timedelta(days=-1)), shipment(2)], now=lambda: SAMPLE_NOW)


async def test_it_opens_with_its_journey_and_what_is_to_come(gui: Open) -> None:
    async with gui(two()) as screen:
        await screen.reads("● live", "BKG-100002")
        await screen.press("down", "enter")
        text = await screen.reads("◆ BKG-100001", "◉  Registered", "by clara", "○  Expected")
        assert "24h late" in text
        assert "Rotterdam, NL  →  Lagos, NG" in text


async def test_it_grows_while_one_looks(gui: Open) -> None:
    backend = two()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100002")
        await screen.press("enter")
        await screen.reads("◉  Registered")
        one = backend.stored(shipment(2).id)
        there = msgspec.structs.replace(one, last_place=Place("Colombo", "LK"))
        backend.scan(there, biz_step="arriving", note="seal intact")
        await screen.reads("●  Registered", "◉  Arriving", "Colombo, LK", "by dan", "seal intact")
        arrived = msgspec.structs.replace(
            backend.stored(one.id), status="delivered", last_place=one.destination, delivered_at=SAMPLE_NOW
        )
        backend.scan(arrived, biz_step="receiving")
        await screen.reads("◉  Delivered", "on time")
        await screen.reads_no_more("Expected")


async def test_n_and_p_go_along_the_board(gui: Open) -> None:
    async with gui(two()) as screen:
        await screen.reads("● live", "BKG-100002")
        await screen.press("enter")
        await screen.reads("◆ BKG-100002")
        await screen.press("n")
        await screen.reads("◆ BKG-100001", "◉  Registered")
        await screen.press("n", "p")
        await screen.reads("◆ BKG-100002")
        await screen.press("escape")
        await screen.reads("◆ Shipments")


async def test_a_long_journey_scrolls_to_what_came_last(gui: Open) -> None:
    backend = two()
    async with gui(backend, size=(80, 24)) as screen:
        await screen.reads("● live", "BKG-100002")
        await screen.press("enter")
        await screen.reads("◆ BKG-100002")
        for number in range(20):
            one = backend.stored(shipment(2).id)
            backend.scan(msgspec.structs.replace(one, last_place=Place(f"Stop {number}")))
        await screen.reads("Stop 19", "Expected")


async def test_a_shipment_that_cannot_be_shown_says_why(gui: Open) -> None:
    backend = two()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100002")
        backend.forget(shipment(2).id)
        await screen.press("enter")
        await screen.reads("There is no such shipment.")
