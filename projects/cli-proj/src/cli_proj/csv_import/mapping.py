"""The mapping: a small TOML file that says which column of a CSV means what.

Its format is described in the README of this project, and `examples/scms.toml` is one to start from.
"""

import codecs
import difflib
import tomllib
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from cli_proj.errors import CliError, ExitCode

type OnDifference = Literal["first", "latest", "earliest", "error"]

REFERENCE = "reference"
TIMES = ("promised_at", "delivered_at", "registered_at")
COORDINATES = ("latitude", "longitude")
PLACES = ("origin", "destination")
FIELDS = (REFERENCE, *(f"{place}.{part}" for place in PLACES for part in ("name", "country", *COORDINATES)), *TIMES)
REQUIRED = (REFERENCE, "origin.name", "destination.name")

_DEFAULT_RULE: MappingOf[str, OnDifference] = {
    "promised_at": "latest",
    "delivered_at": "latest",
    "registered_at": "earliest",
}


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one field of a shipment comes from."""

    column: str | None = None
    """The header of the column."""
    constant: str | None = None
    """A value that every shipment gets instead."""
    date_formats: tuple[str, ...] = ()
    """For times: the formats of this column, tried in order, instead of those of the file."""
    on_difference: OnDifference | None = None
    """What counts when lines of one shipment differ. Default: `latest` for promised_at and delivered_at, `earliest` for
    registered_at, `first` for everything else."""


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping that has been checked: every name is known and every value can be used."""

    fields: dict[str, Field]
    encoding: str
    delimiter: str
    timezone: ZoneInfo
    date_formats: tuple[str, ...]
    missing: frozenset[str]

    def rule(self, field: str) -> OnDifference:
        """What counts when lines of one shipment differ in this field."""
        return self.fields[field].on_difference or _DEFAULT_RULE.get(field, "first")

    def columns(self) -> dict[str, str]:
        """The column of each field that has one."""
        return {name: field.column for name, field in self.fields.items() if field.column is not None}


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    encoding: str = "utf-8"
    delimiter: str = ","
    timezone: str = "UTC"
    date_formats: tuple[str, ...] = ("iso",)
    missing: tuple[str, ...] = ()


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file. Raises CliError, with the name of the file and of the entry, for what cannot be used."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CliError(
            f"The mapping {path} cannot be read: {error.strerror}.", "Give the path of a TOML file with --map."
        ) from error
    except UnicodeDecodeError as error:
        raise _wrong(path, "it is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise _wrong(path, f"it is not TOML: {error}") from error
    return _checked(path, document)


def _checked(path: Path, document: MappingOf[str, object]) -> Mapping:
    if unknown := sorted(set(document) - {"file", "shipment"}):
        raise _wrong(path, f"[{unknown[0]}] is no part of a mapping; the parts are [file] and [shipment]")
    try:
        file = msgspec.convert(document.get("file", {}), _File)
    except msgspec.ValidationError as error:
        raise _wrong(path, f"[file]: {error}") from error
    shipment = document.get("shipment")
    if not isinstance(shipment, dict):
        raise _wrong(path, "the part [shipment] is missing")
    fields = {name: _field(path, name, value) for name, value in _flat(path, shipment).items()}
    for name in REQUIRED:
        if name not in fields:
            raise _wrong(path, f"[shipment] does not say where {name} comes from")
    if fields[REFERENCE].column is None:
        raise _wrong(path, "reference needs a column: a constant cannot tell shipments apart")
    return Mapping(
        fields=fields,
        encoding=_encoding(path, file.encoding),
        delimiter=_delimiter(path, file.delimiter),
        timezone=_timezone(path, file.timezone),
        date_formats=file.date_formats,
        missing=frozenset(text.strip() for text in file.missing),
    )


def _flat(path: Path, shipment: MappingOf[str, object]) -> dict[str, object]:
    """`origin.name` and the like, whichever of TOML's two ways they are written in."""
    flat: dict[str, object] = {}
    for name, value in shipment.items():
        if name in PLACES:
            if not isinstance(value, dict):
                raise _wrong(path, f"{name} has parts: write {name}.name, {name}.country")
            flat |= {f"{name}.{part}": inner for part, inner in value.items()}
        else:
            flat[name] = value
    for name in flat:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            guess = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(FIELDS)}"
            raise _wrong(path, f"a shipment has no field {name}{guess}")
    return flat


def _field(path: Path, name: str, value: object) -> Field:
    if isinstance(value, str):
        return Field(column=value)
    try:
        field = msgspec.convert(value, Field)
    except msgspec.ValidationError as error:
        raise _wrong(path, f"{name}: {error}; write the header of a column, or a table with `column`") from error
    if (field.column is None) == (field.constant is None):
        raise _wrong(path, f"{name} needs either `column` or `constant`")
    if name not in TIMES:
        if field.on_difference in ("latest", "earliest"):
            raise _wrong(path, f"{name} is not a time: `on_difference` can be first or error")
        if field.date_formats:
            raise _wrong(path, f"{name} is not a time: `date_formats` has no meaning there")
    return field


def _encoding(path: Path, name: str) -> str:
    try:
        found = codecs.lookup(name)
    except LookupError as error:
        raise _wrong(path, f"there is no encoding {name!r}; common ones are utf-8, cp1252, latin-1, utf-16") from error
    if not found._is_text_encoding:
        raise _wrong(path, f"{name!r} is not an encoding of text")
    # A byte order mark at the start of UTF-8 belongs to the file, not to the first header.
    return "utf-8-sig" if found.name == "utf-8" else found.name


def _delimiter(path: Path, text: str) -> str:
    text = "\t" if text.lower() == "tab" else text
    if len(text) != 1 or text in '"\r\n':
        raise _wrong(path, f'the delimiter {text!r} must be one character, or "tab"')
    return text


def _timezone(path: Path, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _wrong(path, f"there is no time zone {name!r}; names are such as UTC or Europe/Berlin") from error


def _wrong(path: Path, reason: str) -> CliError:
    return CliError(
        f"The mapping {path} cannot be used: {reason}.",
        "The format: see `cli-proj shipments import --help` and the README of cli-proj.",
        code=ExitCode.USAGE,
    )


def near_columns(wanted: str, header: Sequence[str]) -> str:
    """Words that help to find a column that is not there."""
    near = difflib.get_close_matches(wanted, header, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"The columns are: {', '.join(repr(name) for name in header[:12])}"
