"""How results leave the program: data on stdout as a table, JSON or JSON lines; words for people on stderr.

rich is loaded only to draw on a terminal. In a pipe a table is plain text that nothing cuts off.
"""

import enum
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from cli_proj.errors import ReaderGoneError


class Format(enum.StrEnum):
    """How to print results."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text from elsewhere without what a terminal would obey: escape sequences, line breaks, changes of direction."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def cell_text(value: object) -> str:
    """One cell for people. Times are UTC; a time at midnight is shown as the day that it stands for."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        whole_day = not (moment.hour or moment.minute or moment.second or moment.microsecond)
        return f"{moment:%Y-%m-%d}" if whole_day else f"{moment:%Y-%m-%d %H:%M}"
    if isinstance(value, int):
        return f"{value:,}"
    return printable(str(value))


class Output:
    """The two streams and what is known about them."""

    def __init__(
        self,
        format_: Format = Format.TABLE,
        *,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.format = format_
        self.stdout = stdout if stdout is not None else sys.stdout
        self.stderr = stderr if stderr is not None else sys.stderr
        # https://no-color.org: present and not empty.
        self.no_color = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"

    # Words for people -------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A line for people. The text is ours: pass what comes from elsewhere through `printable` first."""
        _put(self.stderr, text + "\n")

    def error(self, message: str, hint: str | None = None) -> None:
        """One line for what is wrong and one for the next step."""
        label = "\x1b[1;31merror:\x1b[0m" if self.stderr_is_terminal and not self.no_color else "error:"
        self.say(f"{label} {_one_line(message)}")
        if hint:
            self.say(f"  {_one_line(hint)}")

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether somebody looks at stderr now."""
        return self.stderr.isatty()

    def clear(self) -> None:
        """On a terminal, begin a new page; elsewhere nothing."""
        if self.stdout.isatty():
            _put(self.stdout, "\x1b[H\x1b[2J")

    # Data -------------------------------------------------------------------------------------------------------------

    def write(self, line: str) -> None:
        """One line of data as it is."""
        _put(self.stdout, line + "\n")

    def document(self, value: object) -> None:
        """One JSON document: indented for `json`, on one line for `jsonl`."""
        import msgspec

        encoded = msgspec.json.encode(value)
        if self.format is not Format.JSONL:
            encoded = msgspec.json.format(encoded, indent=2)
        self.write(encoded.decode())

    def lines(self, values: Iterable[object]) -> None:
        """JSON lines: one document a line."""
        import msgspec

        _put(self.stdout, "".join(msgspec.json.encode(value).decode() + "\n" for value in values))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        *,
        styles: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        """A table for people. Numbers stand to the right.

        Args:
            columns: Their names.
            rows: Their cells.
            styles: One rich style a row, where rows differ.
            optional: Columns that go, in this order, where a terminal is too narrow. A pipe gets all.
        """
        texts = [[cell_text(value) for value in row] for row in rows]
        right = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(columns))]
        if self.stdout.isatty():
            self._draw(columns, texts, right, styles, optional)
        else:
            self._lay_out(columns, texts, right)

    def record(self, fields: Mapping[str, object]) -> None:
        """A few facts about one thing, one a line."""
        width = max((len(name) for name in fields), default=0)
        values = {name: cell_text(value) for name, value in fields.items()}
        numbers = max((len(values[name]) for name, value in fields.items() if _is_number(value)), default=0)
        for name, value in fields.items():
            text = values[name].rjust(numbers) if _is_number(value) else values[name]
            _put(self.stdout, f"{name.ljust(width)}  {text}".rstrip() + "\n")

    def _lay_out(self, columns: Sequence[str], texts: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
        widths = [max([len(name), *(len(row[at]) for row in texts)]) for at, name in enumerate(columns)]
        lines = []
        for row in [columns, *texts]:
            cells = [
                text.rjust(width) if to_right else text.ljust(width)
                for text, width, to_right in zip(row, widths, right, strict=True)
            ]
            lines.append("  ".join(cells).rstrip() + "\n")
        _put(self.stdout, "".join(lines))

    def _draw(
        self,
        columns: Sequence[str],
        texts: Sequence[Sequence[str]],
        right: Sequence[bool],
        styles: Sequence[str],
        optional: Sequence[str],
    ) -> None:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        console = Console(file=self.stdout, no_color=self.no_color, highlight=False)
        widths = [max([len(name), *(len(row[at]) for row in texts)]) for at, name in enumerate(columns)]
        shown = _fitting(columns, widths, console.width, optional)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for at in shown:
            # What is short stays in one piece; what is long gives way where the terminal is narrow.
            table.add_column(
                columns[at],
                justify="right" if right[at] else "left",
                overflow="fold",
                no_wrap=widths[at] <= _SHORT,
                min_width=min(widths[at], _SHORT),
            )
        for number, row in enumerate(texts):
            # Text, never str: rich would read markup in what a service or a file says.
            table.add_row(*(Text(row[at]) for at in shown), style=styles[number] if styles else None)
        with console.capture() as drawn:
            console.print(table)
        _put(self.stdout, drawn.get())


_SHORT = 16
"""A column of this width is not broken, and no column becomes narrower. A time has 16 characters."""


def _fitting(columns: Sequence[str], widths: Sequence[int], width: int, optional: Sequence[str]) -> list[int]:
    """The positions of the columns that have room, optional ones left out as far as need be."""
    shown = list(range(len(columns)))
    for name in optional:
        if sum(min(widths[at], _SHORT) + 3 for at in shown) - 1 <= width:
            break
        shown.remove(columns.index(name))
    return shown


def _put(stream: TextIO, text: str) -> None:
    """Write and flush: somebody may wait for it at the other end of a pipe."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
