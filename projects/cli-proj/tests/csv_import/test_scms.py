"""Real data: 10,324 lines of 7,030 delivery notes, by the mapping in `examples/scms.toml`.

The expected figures are computed here anew, in another way than the program does: with DictReader, sets and `max`.
"""

import csv
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli_proj.csv_import.mapping import read_mapping
from cli_proj.csv_import.plan import Plan, make_plan

PROJECT = Path(__file__).parents[2]
DATA = PROJECT.parents[2] / "shared" / "data" / "scms-delivery-history.csv"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")


@pytest.fixture(scope="module")
def notes() -> dict[str, list[dict[str, str]]]:
    """The lines of each delivery note."""
    grouped = defaultdict(list)
    with DATA.open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            grouped[line["ASN/DN #"]].append(line)
    return grouped


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(DATA, read_mapping(PROJECT / "examples" / "scms.toml"))


@pytest.fixture(scope="module")
def entries(plan: Plan) -> dict[str, Any]:
    return {str(entry["reference"]): entry for entry in plan.entries()}


def _latest(lines: list[dict[str, str]], column: str) -> datetime:
    return max(datetime.strptime(line[column], "%d-%b-%y").replace(tzinfo=UTC) for line in lines)


def test_every_delivery_note_is_a_shipment_and_no_line_is_bad(plan: Plan, entries: dict[str, Any]) -> None:
    assert (plan.lines, plan.shipments, len(entries)) == (10_324, 7_030, 7_030)
    assert (plan.left_out, plan.bad) == (0, [])


def test_each_shipment_says_what_its_lines_say(notes: dict[str, list[dict[str, str]]], entries: dict[str, Any]) -> None:
    assert list(entries) == list(notes)
    for reference, lines in notes.items():
        assert entries[reference] == {
            "reference": reference,
            "origin": {"name": lines[0]["Manufacturing Site"]},
            "destination": {"name": lines[0]["Country"], "country": lines[0]["Country"]},
            "promised_at": _latest(lines, "Scheduled Delivery Date"),
            "delivered_at": _latest(lines, "Delivered to Client Date"),
        }


def test_shipments_per_country(notes: dict[str, list[dict[str, str]]], entries: dict[str, Any]) -> None:
    pairs = {(line["ASN/DN #"], line["Country"]) for lines in notes.values() for line in lines}
    expected = Counter(country for _, country in pairs)
    found = Counter(entry["destination"]["country"] for entry in entries.values())
    assert found == expected
    assert len(found) == 43
    assert found.most_common(3) == [("Nigeria", 927), ("Côte d'Ivoire", 760), ("Uganda", 584)]


def test_notes_tell_of_every_difference_and_of_nothing_else(notes: dict[str, list[dict[str, str]]], plan: Plan) -> None:
    columns = {"origin.name": "Manufacturing Site", "promised_at": "Scheduled Delivery Date"}
    expected = {
        (reference, field)
        for reference, lines in notes.items()
        for field, column in columns.items()
        if len({line[column] for line in lines}) > 1
    }
    assert {(note.reference, note.text.split(" ", 1)[0]) for note in plan.notes} == expected
    assert Counter(field for _, field in expected) == {"origin.name": 880, "promised_at": 10}


def test_late_shipments_and_the_notes_with_two_promises(entries: dict[str, Any]) -> None:
    late = [entry for entry in entries.values() if entry["delivered_at"] > entry["promised_at"]]
    assert len(late) == 800
    # Lines of these notes were promised for different days.
    assert entries["ASN-26928"]["promised_at"] == datetime(2014, 8, 13, tzinfo=UTC)
    assert entries["ASN-5458"]["promised_at"] == datetime(2009, 10, 29, tzinfo=UTC)
