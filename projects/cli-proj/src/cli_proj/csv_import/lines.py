"""The file, line by line: text of the mapped columns with the number of the line where a record starts.

What makes the file as a whole unreadable raises CliError; what is wrong with one line is returned as a BadLine.
"""

import csv
from _csv import Reader  # what csv.reader returns; the public module has no name for it
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cli_proj.csv_import.mapping import REFERENCE, Mapping, near_columns
from cli_proj.errors import CliError

CELL_LIMIT = 131_072
"""The longest cell in characters. A quote that is never closed swallows the rest of a file, up to here."""

_MAGIC = {
    b"PK\x03\x04": "a spreadsheet or zip archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of the old kind",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "a database",
}


class Line(NamedTuple):
    """One record of the file: the number of its first line, and the text of each field that has a column."""

    number: int
    values: dict[str, str]


class BadLine(NamedTuple):
    """A record that cannot be used, and why. `reference` is empty where it could not be read."""

    number: int
    reference: str
    reason: str


def read_lines(path: Path, mapping: Mapping) -> Iterator[Line | BadLine]:
    """Every record after the header. Blank lines are passed over. Raises CliError when the file is not such a CSV."""
    _look_at_first_bytes(path, mapping)
    codec = mapping.encoding
    # Bytes that are no text become lone surrogates, which cannot come from valid text: so the line is known where
    # they stand. UTF-16 and UTF-32 have no such way; there the error has no line.
    escaping = "strict" if codec.startswith(("utf-16", "utf-32")) else "surrogateescape"
    try:
        with path.open(encoding=codec, errors=escaping, newline="") as file:
            yield from _records(path, csv.reader(file, delimiter=mapping.delimiter, strict=True), mapping)
    except UnicodeError as error:
        raise CliError(f"{path} is not {codec} text.", _ENCODING_HINT) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _records(path: Path, reader: Reader, mapping: Mapping) -> Iterator[Line | BadLine]:
    header = _next(path, reader)
    while header == []:
        header = _next(path, reader)
    if header is None:
        raise CliError(f"{path} is empty.", "Give a CSV file whose first line names the columns.")
    _refuse_broken_text(path, 1, header)
    places = _places(path, header, mapping)
    reference_at = places[REFERENCE]
    any_record = False
    while True:
        number = reader.line_num + 1
        record = _next(path, reader)
        if record is None:
            break
        if not any(cell.strip() for cell in record):
            continue
        any_record = True
        _refuse_broken_text(path, number, record)
        if len(record) != len(header):
            reference = record[reference_at].strip() if reference_at < len(record) else ""
            yield BadLine(number, reference, f"{len(record)} cells where the header has {len(header)}")
            continue
        yield Line(number, {field: record[at].strip() for field, at in places.items()})
    if not any_record:
        raise CliError(f"{path} has a header and no lines.", "Give a CSV file with at least one line below the header.")


def _next(path: Path, reader: Reader) -> list[str] | None:
    start = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        text = str(error)
        if "unexpected end of data" in text or "field larger than field limit" in text:
            reason = "a quote is opened and not closed in the record that starts there"
        elif "NUL" in text:
            raise _binary(path, start) from error
        else:
            reason = text
        raise CliError(f"{path}, line {start}: {reason}.", "Mend that line, then run the import again.") from error


def _places(path: Path, header: Sequence[str], mapping: Mapping) -> dict[str, int]:
    """The position of each field's column."""
    names = [name.strip() for name in header]
    places: dict[str, int] = {}
    for field, column in mapping.columns().items():
        found = [at for at, name in enumerate(names) if name == column.strip()]
        if not found:
            raise CliError(
                f"{path}, line 1: there is no column {column!r} (for {field}).", _column_hint(column, names, mapping)
            )
        if len(found) > 1:
            positions = " and ".join(str(at + 1) for at in found)
            raise CliError(
                f"{path}, line 1: the column {column!r} (for {field}) is there {len(found)} times, at {positions}.",
                "Rename one of them, so that it is plain which is meant.",
            )
        places[field] = found[0]
    return places


def _column_hint(column: str, names: Sequence[str], mapping: Mapping) -> str:
    if len(names) == 1:
        for other in ";\t|,":
            if other != mapping.delimiter and other in names[0]:
                written = "tab" if other == "\t" else other
                return f'The columns seem to be divided by {written!r}: set delimiter = "{written}" under [file].'
    return near_columns(column, names)


_ENCODING_HINT = 'Which encoding is it in? Say so in the mapping, such as encoding = "cp1252" under [file].'


def _refuse_broken_text(path: Path, number: int, record: Sequence[str]) -> None:
    for at, cell in enumerate(record, start=1):
        if cell.isascii():
            if "\x00" in cell:
                raise _binary(path, number)
        elif any("\udc80" <= character <= "\udcff" for character in cell):
            raise CliError(
                f"{path}, line {number}, cell {at}: not text in the encoding of the mapping.", _ENCODING_HINT
            )


def _look_at_first_bytes(path: Path, mapping: Mapping) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise _unreadable(path, error) from error
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            raise CliError(f"{path} is no CSV file: it is {kind}.", "Save or export it as CSV first.")
    wide = mapping.encoding.startswith(("utf-16", "utf-32"))
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) and not wide:
        raise CliError(f"{path} is UTF-16 text.", 'Set encoding = "utf-16" under [file] in the mapping.')
    if b"\x00" in start and not wide:
        raise _binary(path, start[: start.index(b"\x00")].count(b"\n") + 1)


def _binary(path: Path, number: int) -> CliError:
    return CliError(
        f"{path}, line {number}: a zero byte: this is no text.", "Give a CSV file: text with one record a line."
    )


def _unreadable(path: Path, error: OSError) -> CliError:
    return CliError(f"{path} cannot be read: {error.strerror}.", "Give the path of a CSV file.")
