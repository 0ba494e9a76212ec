"""The board: rows, counts, filters, search, paging, and changes while one looks."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from textual import events
from textual.theme import BUILTIN_THEMES

from gui_proj.shipments import Place
from gui_proj.testing import SAMPLE_NOW, FakeBackend, sample_backend, shipment
from gui_proj.widgets.shipment_table import ShipmentTable
from lib_one.testing import eventually

type Open = Callable[..., AbstractAsyncContextManager[Any]]


def few() -> FakeBackend:
    """Six shipments: one registered, three on the way (one of them late), two delivered (one of them late)."""
    day = timedelta(days=1)
    return FakeBackend(
        [
            shipment(1, status="registered", promised_in=9 * day, origin=Place("Oslo", "NO")),
            shipment(2, promised_in=3 * day, last_place=Place("Genoa", "IT")),
            shipment(3, promised_in=-2 * day, destination=Place("Lima", "PE")),
            shipment(4, promised_in=None),
            shipment(5, status="delivered", promised_in=4 * day),
            shipment(6, status="delivered", promised_in=-4 * day),
        ],
        now=lambda: SAMPLE_NOW,
    )


async def test_rows_and_counts_are_shown(gui: Open) -> None:
    async with gui(few()) as screen:
        text = await screen.reads("Registered", "In transit", "Delivered", "Late", "● live")
        lines = text.splitlines()
        assert [lines[3].split()[index] for index in range(5)] == ["6", "1", "3", "2", "2"]
        rows = [line for line in lines if "BKG-" in line]
        assert [row.split("BKG-")[1][:6] for row in rows] == [f"10000{number}" for number in (6, 5, 4, 3, 2, 1)]
        assert "2d late" in rows[3]
        assert rows[3].startswith("▌")
        assert "in 3d" in rows[4]
        assert "Genoa, IT" in rows[4]
        assert "on time" in rows[1]
        assert "Oslo, NO" in rows[5]


async def test_a_live_event_changes_its_row_and_the_counts(gui: Open) -> None:
    backend = few()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100001")
        one = backend.stored(shipment(1).id)
        backend.scan(msgspec.structs.replace(one, status="in_transit", last_place=Place("Gdansk", "PL")))
        text = await screen.reads("Gdansk, PL")
        assert "◐ In transit" in next(line for line in text.splitlines() if "BKG-100001" in line)
        await eventually(lambda: screen.text.splitlines()[3].split() == ["6", "0", "4", "2", "2"])


async def test_a_changed_row_lights_up_and_fades(gui: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui_proj.widgets.shipment_table.FLASH_SECONDS", 0.3)
    backend = few()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100001")
        table = screen.app.screen.query_one(ShipmentTable)
        plain = table.render_line(6)
        backend.scan(backend.stored(shipment(1).id))
        await eventually(lambda: [part.style for part in table.render_line(6)] != [part.style for part in plain])
        await eventually(lambda: [part.style for part in table.render_line(6)] == [part.style for part in plain])


async def test_a_new_shipment_appears_on_top_and_the_cursor_stays_on_its_row(gui: Open) -> None:
    backend = few()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100006")
        await screen.press("down")
        backend.register(shipment(7, status="registered"))
        text = await screen.reads("BKG-100007")
        assert text.index("BKG-100007") < text.index("BKG-100006")
        await screen.press("enter")
        await screen.reads("◆ BKG-100005")


async def test_keys_filter_by_status_and_lateness(gui: Open) -> None:
    async with gui(few()) as screen:
        await screen.reads("BKG-100001")
        await screen.press("2")
        await screen.reads_no_more("BKG-100002", "BKG-100006")
        assert "BKG-100001" in screen.text
        await screen.press("5")
        text = await screen.reads("BKG-100003", "BKG-100006")
        assert "BKG-100001" not in text
        await screen.press("left")
        await screen.reads("BKG-100005", "BKG-100006")
        await screen.press("escape")
        await screen.reads("BKG-100001", "BKG-100006")


async def test_a_row_that_leaves_the_filter_goes_after_its_light(gui: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui_proj.widgets.shipment_table.FLASH_SECONDS", 0.2)
    backend = few()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-100001")
        await screen.press("2")
        await screen.reads_no_more("BKG-100002")
        backend.scan(msgspec.structs.replace(backend.stored(shipment(1).id), status="in_transit"))
        await screen.reads("◐ In transit")
        await screen.reads_no_more("BKG-100001")
        await screen.press("3")
        await screen.reads("BKG-100001")


async def test_search_finds_by_reference_or_place_and_esc_clears_it(gui: Open) -> None:
    async with gui(few()) as screen:
        await screen.reads("BKG-100001")
        await screen.press("slash", *"lima")
        text = await screen.reads("1 match “lima”")
        assert "BKG-100003" in text
        assert "BKG-100001" not in text
        await screen.press("enter", "enter")
        await screen.reads("◆ BKG-100003")
        await screen.press("escape", "slash", "x")
        await screen.reads("Nothing matches")
        await screen.press("escape")
        await screen.reads("BKG-100001", "BKG-100006")


async def test_seven_thousand_shipments_are_loaded_as_one_goes_down(gui: Open) -> None:
    backend = sample_backend()
    async with gui(backend) as screen:
        await screen.reads("BKG-107029", "7,030")
        assert backend.calls.count("shipments") < 5
        table = screen.app.screen.query_one(ShipmentTable)
        while table.board.next_cursor is not None:
            loaded = len(table.board.rows)
            await screen.press("end")
            await eventually(lambda loaded=loaded: len(table.board.rows) > loaded)
        await screen.press("end")
        await screen.reads("BKG-100000")
        assert len(set(table.board.rows)) == len(table.board.rows) == 7030
        await screen.press("home")
        await screen.reads("BKG-107029")


async def test_a_burst_of_a_thousand_events_is_drawn_a_few_times_only(gui: Open) -> None:
    backend = sample_backend()
    async with gui(backend) as screen:
        await screen.reads("● live", "BKG-107029")
        table = screen.app.screen.query_one(ShipmentTable)
        drawn = 0
        reload = table.reload

        def count() -> None:
            nonlocal drawn
            drawn += 1
            reload()

        table.reload = count
        for round_ in range(5):
            for number in range(7029, 6829, -1):
                one = backend.stored(shipment(number).id)
                backend.scan(msgspec.structs.replace(one, last_place=Place(f"Round {round_}")))
        await screen.press("down")
        await screen.reads("Round 4")
        assert table.cursor == 1
        assert drawn < 100
        assert len(screen.app.board.activity) == 200


@pytest.mark.parametrize("size", [(40, 12), (60, 15), (80, 24), (200, 50)])
@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
async def test_it_fits_any_terminal(gui: Open, *, size: tuple[int, int], theme: str) -> None:
    backend = sample_backend(300)
    async with gui(backend, size=size, theme=theme) as screen:
        words = ("Shipment", "Status", "From", "To", "Promised", "Search", "Quit") if size[0] >= 80 else ()
        beside = ("Happening now",) if size[0] >= 140 else ()
        text = await screen.reads("● live", "BKG-100299", *words, *beside)
        assert len(text.splitlines()) <= size[1]
        assert ("Happening now" in text) == bool(beside)
        backend.scan(backend.stored(shipment(298).id))
        await screen.press("down", "enter")
        await screen.reads("◆ BKG-100298")
        await screen.press("escape", "a", "question_mark")
        await screen.reads("Esc closes")


async def test_what_happens_now_stands_beside_the_rows_of_a_wide_terminal(gui: Open) -> None:
    backend = few()
    async with gui(backend, size=(160, 40)) as screen:
        await screen.reads("● live", "Quiet so far")
        one = backend.stored(shipment(2).id)
        backend.scan(msgspec.structs.replace(one, last_place=Place("Nuuk", "GL")), biz_step="arriving")
        await screen.reads("Arriving", "Nuuk, GL")
        await screen.press("a")
        await screen.reads_no_more("Happening now")


async def test_an_empty_service_says_so(gui: Open) -> None:
    async with gui(FakeBackend([], now=lambda: SAMPLE_NOW)) as screen:
        await screen.reads("There are no shipments yet.")


async def test_text_of_others_cannot_draw_on_the_terminal(gui: Open) -> None:
    evil = Place("Kyiv\x1b[2J\n[red]Bold[/red]", "UA")
    backend = FakeBackend([shipment(1, origin=evil)], now=lambda: SAMPLE_NOW)
    async with gui(backend, size=(160, 40)) as screen:
        text = await screen.reads("BKG-100001", "● live")
        assert "\x1b" not in text
        backend.scan(msgspec.structs.replace(backend.stored(shipment(1).id), last_place=evil), note="[b]x[/b]\x1b[0m")
        await screen.reads("Departing")
        await screen.press("enter")
        text = await screen.reads("◆ BKG-100001", "[b]x[/b]")
        assert "\x1b" not in text


async def test_who_watches_the_top_sees_what_comes_and_who_reads_is_not_moved(gui: Open) -> None:
    backend = sample_backend(300)
    async with gui(backend, size=(100, 20)) as screen:
        await screen.reads("● live", "BKG-100299")
        for number in range(400, 440):
            backend.register(shipment(number, now=SAMPLE_NOW + timedelta(days=40)))
        await screen.reads("BKG-100439")
        await screen.press("enter")
        await screen.reads("◆ BKG-100439")
        await screen.press("escape", "down", "down")
        backend.register(shipment(500, now=SAMPLE_NOW + timedelta(days=40)))
        await screen.reads("BKG-100500")
        for number in range(501, 540):
            backend.register(shipment(number, now=SAMPLE_NOW + timedelta(days=40)))
        await screen.reads("BKG-100437")
        await screen.press("enter")
        await screen.reads("◆ BKG-100437")


async def test_words_typed_in_a_rush_all_reach_the_search_box(gui: Open) -> None:
    async with gui(few()) as screen:
        await screen.reads("BKG-100001")
        for letter in "/lima":
            screen.app.post_message(events.Key("slash" if letter == "/" else letter, letter))
        await screen.reads("1 match “lima”")


@pytest.mark.parametrize("theme", sorted(BUILTIN_THEMES))
async def test_the_cursor_can_be_seen_in_every_theme(gui: Open, theme: str) -> None:
    async with gui(few(), theme=theme) as screen:
        await screen.reads("BKG-100001")
        table = screen.app.screen.query_one(ShipmentTable)
        chosen, other = (next(iter(table.render_line(line))).style for line in (1, 2))
        assert chosen != other
