"""From lines to shipments."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli_proj.csv_import.lines import BadLine
from cli_proj.csv_import.mapping import read_mapping
from cli_proj.csv_import.plan import Plan, make_plan
from cli_proj.errors import CliError

MAP = """
[file]
date_formats = ["%d-%b-%y", "%Y-%m-%d"]
missing = ["Date Not Captured", "-"]
{file}
[shipment]
reference = "Note"
origin.name = "Site"
destination.name = "Country"
destination.country = "Country"
promised_at = "Promised"
delivered_at = "Delivered"
{fields}
"""
HEADER = "Note,Site,Country,Promised,Delivered\n"


class Importer:
    """Writes a file and a mapping, and makes the plan."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "data.csv"
        self.map = folder / "map.toml"

    def plan(self, data: str | bytes, *, file: str = "", fields: str = "") -> Plan:
        self.file.write_bytes(data if isinstance(data, bytes) else data.encode())
        self.map.write_text(MAP.format(file=file, fields=fields), encoding="utf-8")
        return make_plan(self.file, read_mapping(self.map))

    def refusal(self, data: str | bytes, *, file: str = "") -> CliError:
        with pytest.raises(CliError) as caught:
            self.plan(data, file=file)
        return caught.value


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def test_lines_of_one_reference_are_one_shipment(importer: Importer) -> None:
    plan = importer.plan(
        HEADER
        + "A-1,Basel,Zambia,02-Jun-06,03-Jun-06\n"
        + "A-2,Goa,Haiti,2006-06-02,\n"
        + "A-1,Goa,Zambia,01-Jun-06,05-Jun-06\n"
    )
    assert (plan.lines, plan.shipments, plan.left_out, plan.bad) == (3, 2, 0, [])
    first, second = plan.entries()
    assert first == {
        "reference": "A-1",
        "origin": {"name": "Basel"},
        "destination": {"name": "Zambia", "country": "Zambia"},
        "promised_at": _day(2006, 6, 2),
        "delivered_at": _day(2006, 6, 5),
    }
    assert "delivered_at" not in second
    assert [note.text for note in plan.notes] == [
        "origin.name differs: 'Basel' (line 2) counts, not 'Goa' (line 4)",
        "promised_at differs: 2006-06-02 (line 2) counts, not 2006-06-01 (line 4)",
        "delivered_at differs: 2006-06-05 (line 4) counts, not 2006-06-03 (line 2)",
    ]


def test_byte_order_mark_spaces_blank_lines_and_line_breaks_in_cells(importer: Importer) -> None:
    data = (
        "\ufeff" + HEADER.replace("Note", " Note ") + '\n  A-1 ,"Roche\r\nBasel",Zambia,-,Date Not Captured\n,,,,\n\n'
    )
    (entry,) = importer.plan(data).entries()
    assert entry == {
        "reference": "A-1",
        "origin": {"name": "Roche Basel"},
        "destination": {"name": "Zambia", "country": "Zambia"},
    }


def test_missing_cell_says_nothing_and_another_line_fills_it(importer: Importer) -> None:
    plan = importer.plan(HEADER + "A,-,Zambia,,\nA,Basel,,02-Jun-06,\nA,Basel,Zambia,03-Jun-06,\n")
    (entry,) = plan.entries()
    assert entry["origin"] == {"name": "Basel"}
    assert [note.text for note in plan.notes] == [
        "promised_at differs: 2006-06-03 (line 4) counts, not 2006-06-02 (line 3)"
    ]


def test_shipment_with_one_bad_line_is_left_out_whole(importer: Importer) -> None:
    plan = importer.plan(
        HEADER
        + "A,Basel,Zambia,02-Jun-06,\n"
        + "A,Basel,Zambia,31-Jun-06,\n"
        + "B,Basel,Zambia,02-Jun-06,\n"
        + ",Basel,Zambia,,\n"
        + "C,,Zambia,,\n"
        + "C,-,,,\n"
        + "D,Basel,Zambia\n"
        + "F,,,,\n"
        + '"E",Basel,Zambia,,,extra\n'
    )
    assert [entry["reference"] for entry in plan.entries()] == ["B"]
    assert plan.bad == [
        BadLine(3, "A", "promised_at: '31-Jun-06' is no date in the form %d-%b-%y or %Y-%m-%d"),
        BadLine(5, "", "no reference"),
        BadLine(6, "C", "none of its 2 lines has origin.name"),
        BadLine(8, "D", "3 cells where the header has 5"),
        BadLine(9, "F", "the line has no origin.name and no destination.name"),
        BadLine(10, "E", "6 cells where the header has 5"),
    ]
    assert (plan.lines, plan.shipments, plan.left_out) == (9, 6, 5)


def test_line_numbers_are_those_of_the_file_also_after_cells_with_line_breaks(importer: Importer) -> None:
    plan = importer.plan(HEADER + 'A,"x\n\ny",Zambia,,\nB,Basel,Zambia,never,\n')
    (bad,) = plan.bad
    assert bad.number == 5


@pytest.mark.parametrize(
    ("rule", "promised", "bad"),
    [
        ("latest", _day(2006, 6, 3), 0),
        ("earliest", _day(2006, 6, 1), 0),
        ("first", _day(2006, 6, 2), 0),
        ("error", None, 2),
    ],
)
def test_rules_for_differences(rule: str, promised: datetime | None, bad: int, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(
        '[shipment]\nreference="N"\norigin.name="S"\ndestination.name={constant="Ndola"}\n'
        f'promised_at={{column="P", date_formats=["%d.%m.%Y"], on_difference="{rule}"}}\n'
    )
    (tmp_path / "data.csv").write_text("N,S,P\nA,Basel,02.06.2006\nA,Basel,03.06.2006\nA,Basel,01.06.2006\n")
    plan = make_plan(tmp_path / "data.csv", read_mapping(tmp_path / "map.toml"))
    assert len(plan.bad) == bad
    assert [entry["promised_at"] for entry in plan.entries()] == ([promised] if promised else [])
    if bad:
        assert plan.bad[0] == BadLine(3, "A", "promised_at is 2006-06-03 and was 2006-06-02 on line 2")


def test_time_zone_of_the_mapping_counts_where_a_time_has_none(importer: Importer) -> None:
    file = 'timezone = "Africa/Lusaka"'
    (entry,) = importer.plan(HEADER + "A,Basel,Zambia,2006-06-02,\n", file=file).entries()
    assert entry["promised_at"] == datetime(2006, 6, 1, 22, tzinfo=UTC)
    plan = importer.plan(
        HEADER.replace("\n", ",R\n") + "A,Basel,Zambia,,,2006-06-02T12:00:00+05:30\n",
        fields='registered_at = { column = "R", date_formats = ["iso"] }',
        file=file,
    )
    assert next(plan.entries())["registered_at"] == datetime(2006, 6, 2, 6, 30, tzinfo=UTC)


def test_constants_and_coordinates(importer: Importer) -> None:
    importer.map.write_text(
        '[shipment]\nreference="N"\norigin.name="S"\norigin.country={constant="India"}\n'
        'origin.latitude="La"\norigin.longitude="Lo"\ndestination.name="S"\n'
    )
    importer.file.write_text("N,S,La,Lo\nA,Goa,15.4,73.9\nB,Goa,91,0\nC,Goa,nan,0\nD,Goa,x,0\nE,Goa,,\n")
    plan = make_plan(importer.file, read_mapping(importer.map))
    first, last = plan.entries()
    assert first["origin"] == {"name": "Goa", "country": "India", "latitude": 15.4, "longitude": 73.9}
    assert last["origin"] == {"name": "Goa", "country": "India"}
    assert [bad.reason for bad in plan.bad] == [
        "origin.latitude: '91' is no number from -90 to 90",
        "origin.latitude: 'nan' is no number from -90 to 90",
        "origin.latitude: 'x' is no number from -90 to 90",
    ]


def test_same_reference_in_two_ways_of_writing_an_accent(importer: Importer) -> None:
    plan = importer.plan(HEADER + "Cote\u0301,Basel,Zambia,,\nCot\u00e9,Basel,Zambia,,\n")
    assert plan.shipments == 1


@pytest.mark.parametrize(
    ("data", "words", "hint"),
    [
        ("", "is empty", "first line names the columns"),
        ("\n\n", "is empty", ""),
        (HEADER, "has a header and no lines", ""),
        (b"PK\x03\x04rest", "a spreadsheet or zip archive", "export it as CSV"),
        (HEADER.encode() + b"A,\x00,Zambia,,\n", "line 2: a zero byte", ""),
        (HEADER.encode() + b"A,Basel,Zambia,,\n" * 2000 + b"A,\x00,Zambia,,\n", "line 2002: a zero byte", ""),
        (HEADER.encode("utf-16"), "is UTF-16 text", 'encoding = "utf-16"'),
        (
            HEADER.encode() + b"A,Basel,Zambia,,\nB,K\xf6ln,Zambia,,\n",
            "line 3, cell 2: not text",
            'encoding = "cp1252"',
        ),
        (HEADER + 'A,Basel,Zambia,,\nB,"Basel,Zambia,,\nC,Basel,Zambia,,\n', "line 3: a quote is opened", "Mend"),
        (HEADER + 'B,"Basel' + ",Zambia,,\n" * 20_000, "line 2: a quote is opened", ""),
        (HEADER + 'B,"Basel"x,Zambia,,\n', "line 2: ',' expected after '\"'", ""),
        (
            HEADER.replace("Promised", "Promise"),
            "line 1: there is no column 'Promised' (for promised_at)",
            "'Promise'?",
        ),
        (HEADER.replace("Site", "Elsewhere"), "no column 'Site'", "The columns are"),
        (HEADER.replace("\n", ",Note\n"), "the column 'Note' (for reference) is there 2 times, at 1 and 6", "Rename"),
        (HEADER.replace(",", ";"), "there is no column 'Note'", 'delimiter = ";"'),
        (HEADER.replace(",", "\t"), "there is no column 'Note'", 'delimiter = "tab"'),
    ],
)
def test_file_that_is_no_such_csv_is_refused_with_the_line(
    data: str | bytes, words: str, hint: str, importer: Importer
) -> None:
    error = importer.refusal(data)
    assert words in error.message
    assert "data.csv" in error.message
    assert hint in (error.hint or "")


def test_other_encodings_and_delimiters(importer: Importer) -> None:
    data = (HEADER + "A,Köln,Zambia,,\n").replace(",", ";")
    for encoding in ("cp1252", "utf-16", "latin-1"):
        plan = importer.plan(data.encode(encoding), file=f'encoding = "{encoding}"\ndelimiter = ";"')
        assert next(plan.entries())["origin"] == {"name": "Köln"}
    assert "is not utf-16 text" in importer.refusal(b"\xff\xfea\x00b", file='encoding = "utf-16"').message


def test_column_that_is_twice_but_not_mapped_does_no_harm(importer: Importer) -> None:
    plan = importer.plan(HEADER.replace("\n", ",Extra,Extra\n") + "A,Basel,Zambia,,,1,2\n")
    assert (plan.shipments, plan.bad) == (1, [])


def test_file_that_is_not_there(importer: Importer, tmp_path: Path) -> None:
    importer.plan(HEADER + "A,Basel,Zambia,,\n")
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(CliError, match="cannot be read"):
            make_plan(path, read_mapping(importer.map))


_PIECES = st.sampled_from(
    ["A", "B", "Basel", "Zambia", "02-Jun-06", "never", '"', ",", "\n", "\r\n", "\x00", "\ufeff", "ä", " "]
)


@given(st.one_of(st.lists(_PIECES, max_size=60).map("".join).map(str.encode), st.binary(max_size=200)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_whatever_a_file_holds_there_is_a_plan_or_a_sentence(importer: Importer, data: bytes) -> None:
    try:
        plan = importer.plan(HEADER.encode() + data)
    except CliError:
        return
    sent = [str(entry["reference"]) for entry in plan.entries()]
    assert len(sent) == len(set(sent)) == plan.shipments - plan.left_out
    assert not {bad.reference for bad in plan.bad} & set(sent)
    assert all(bad.number > 1 for bad in plan.bad)
