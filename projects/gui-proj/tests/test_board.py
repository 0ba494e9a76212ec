"""The board without a screen: pages and live changes, in whatever order they come."""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gui_proj.board import Board
from gui_proj.shipments import Change, Entry, Page, Query, Shipment
from gui_proj.testing import SAMPLE_NOW, shipment


def board() -> Board:
    return Board(now=lambda: SAMPLE_NOW)


def change(one: Shipment, revision: int, **fields: object) -> Change:
    one = msgspec.structs.replace(one, revision=revision, **fields)
    return Change(one, Entry(f"{one.id}-{revision}", revision, "scanned", one.origin, SAMPLE_NOW))


def test_an_older_revision_never_overwrites_a_newer_one() -> None:
    it = board()
    it.show_first(Page([shipment(1)], 1))
    it.apply(change(shipment(1), 3, status="delivered"))
    it.apply(change(shipment(1), 2))
    assert it.shipments[shipment(1).id].revision == 3
    it.show_first(Page([shipment(1)], 1))
    assert it.shipments[shipment(1).id].status == "delivered"


def test_what_the_feed_told_while_the_page_was_on_its_way_is_kept() -> None:
    it = board()
    it.apply(change(shipment(1), 2, status="delivered"))
    it.apply(change(shipment(9), 1))
    it.show_first(Page([shipment(2), shipment(1)], 2))
    assert [it.shipments[id_].revision for id_ in it.rows] == [1, 1, 2]
    assert it.rows[0] == shipment(9).id
    assert it.total == 3


def test_a_change_beyond_what_is_loaded_waits_for_its_page() -> None:
    it = board()
    it.show_first(Page([shipment(9), shipment(8)], 4, "next"))
    it.apply(change(shipment(1), 2))
    assert len(it.rows) == 2
    assert it.take_changed().keys() == {shipment(1).id}
    assert it.take_changed() == {}
    it.show_more(Page([shipment(2), shipment(1)], 4))
    assert it.shipments[shipment(1).id].revision == 2


def test_a_fresh_first_page_leaves_the_rows_beyond_it() -> None:
    it = board()
    it.show_first(Page([shipment(9), shipment(8)], 6, "c2"))
    it.show_more(Page([shipment(7), shipment(6)], 6, "c3"))
    it.apply(change(shipment(6), 2, status="delivered"))
    it.show_first(Page([shipment(10), shipment(9)], 7, "c1"))
    assert it.rows == [shipment(number).id for number in (10, 9, 8, 7, 6)]
    assert it.next_cursor == "c3"
    assert it.shipments[shipment(6).id].status == "delivered"
    it.narrow(Query(status="in_transit"))
    it.show_first(Page([shipment(3)], 1))
    assert it.rows == [shipment(3).id]


def test_rows_that_the_filter_no_longer_wants_go_when_settled() -> None:
    it = board()
    it.narrow(Query(status="in_transit"))
    it.show_first(Page([shipment(2), shipment(1)], 2))
    it.apply(change(shipment(1), 2, status="delivered"))
    assert len(it.rows) == 2
    assert it.settle({shipment(1).id})
    assert it.rows == [shipment(2).id]
    assert it.total == 1
    assert not it.settle({shipment(1).id, "unknown"})


def test_late_is_a_matter_of_now() -> None:
    due = shipment(1, promised_in=timedelta(minutes=1))
    assert not Query(late=True).matches(due, SAMPLE_NOW)
    assert Query(late=True).matches(due, SAMPLE_NOW + timedelta(minutes=2))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), max_size=40), st.integers(0, 40))
def test_pages_and_changes_in_any_order_end_in_the_same_rows(told: list[tuple[int, int]], cut: int) -> None:
    """Whether a change comes before the page or after it: newest revision each, newest shipment first, none twice."""
    it = board()
    for number, revision in told[:cut]:
        it.apply(change(shipment(number), revision))
    it.show_first(Page([shipment(number) for number in range(8, -1, -1)], 9))
    for number, revision in told[cut:]:
        it.apply(change(shipment(number), revision))
    expected = dict.fromkeys(range(9), 1)
    for number, revision in told:
        expected[number] = max(expected.get(number, 0), revision)
    assert it.rows == [shipment(number).id for number in sorted(expected, reverse=True)]
    assert [it.shipments[id_].revision for id_ in it.rows] == [expected[n] for n in sorted(expected, reverse=True)]
    assert it.total == len(expected)
