"""Tables, JSON and lines; what a terminal gets and what a pipe gets."""

import io
import json
import re
from datetime import UTC, datetime

import pytest

from cli_proj.errors import ReaderGoneError
from cli_proj.output import Format, Output, cell_text, printable


class Terminal(io.StringIO):
    """A stream that somebody looks at."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_terminal_gets_colour_unless_no_color_is_set() -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)):
        screen = Terminal()
        output = Output(stdout=screen, stderr=screen, environment=environment)
        output.error("no")
        assert ("\x1b[1;31m" in screen.getvalue()) is coloured


def test_pipe_gets_no_escape_sequences() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(stdout=out, stderr=err, environment={})
    output.table(("a", "b"), [("x", 1234), ("yyyy", 5)], styles=["red", "red"])
    output.error("what\nis", "to do")
    assert out.getvalue() == "a         b\nx     1,234\nyyyy      5\n"
    assert err.getvalue() == "error: what is\n  to do\n"


def test_terminal_table_does_not_read_markup() -> None:
    screen = Terminal()
    Output(stdout=screen, stderr=screen, environment={}).table(("a",), [("[red]x[/red]",)])
    assert "[red]x[/red]" in screen.getvalue()


def test_narrow_terminal_loses_optional_columns_and_breaks_long_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, row = (
        ("reference", "place", "seen", "when"),
        ("ASN-1", "A long name of a place", "x" * 16, "2026-12-01 12:00"),
    )
    for width, expected in ((120, set(columns)), (60, {"reference", "place", "when"}), (40, {"reference", "place"})):
        monkeypatch.setenv("COLUMNS", str(width))
        screen = Terminal()
        Output(stdout=screen, stderr=screen, environment={}).table(columns, [row], optional=("seen", "when"))
        lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
        assert set(lines[1].split()) == expected
        assert max(map(len, lines)) <= width


def test_documents_and_lines() -> None:
    for format_, expected in ((Format.JSON, '{\n  "a": 1\n}\n'), (Format.JSONL, '{"a":1}\n')):
        out = io.StringIO()
        Output(format_, stdout=out).document({"a": 1})
        assert out.getvalue() == expected
    out = io.StringIO()
    Output(Format.JSONL, stdout=out).lines([{"at": datetime(2026, 1, 1, tzinfo=UTC)}, {}])
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [{"at": "2026-01-01T00:00:00Z"}, {}]


def test_cells() -> None:
    at = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)
    cells = (None, True, 1234, at, at.replace(hour=0, minute=0), "a\x1b[2Jb\n\u202e")
    assert [cell_text(cell) for cell in cells] == [
        "-",
        "yes",
        "1,234",
        "2026-12-01 09:05",
        "2026-12-01",
        "a\ufffd[2Jb\ufffd\ufffd",
    ]
    assert printable("Côte d'Ivoire 東京") == "Côte d'Ivoire 東京"


def test_reader_that_has_gone_is_told_by_its_own_error() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(ReaderGoneError):
        Output(stdout=Gone()).write("x")
