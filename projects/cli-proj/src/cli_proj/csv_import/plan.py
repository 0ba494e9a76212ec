"""The plan: the lines of a file become shipments, one for each reference.

A shipment of which one line is bad is left out whole: half of what a file says about it is not what the file says.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize

import msgspec

from cli_proj.csv_import.lines import BadLine, Line, read_lines
from cli_proj.csv_import.mapping import COORDINATES, PLACES, REFERENCE, REQUIRED, TIMES, Mapping

type Value = str | float | datetime

_RANGES = {"latitude": 90.0, "longitude": 180.0}


class Draft(msgspec.Struct):
    """What is known so far about one shipment."""

    first_line: int
    values: dict[str, Value]
    lines: int = 1
    bad: bool = False
    since: dict[str, int] = {}
    """The line of each field that the first line did not have."""
    seen: dict[str, dict[Value, int]] = {}
    """Of each field in which lines differ: its values, each with the line where it stands first."""


class Note(msgspec.Struct, frozen=True):
    """Lines of one shipment that differ, and which value counts. Nothing is wrong with it."""

    line: int
    reference: str
    text: str


class Plan(msgspec.Struct):
    """What a file comes to."""

    lines: int = 0
    """Records, without header and blank lines."""
    drafts: dict[str, Draft] = {}
    bad: list[BadLine] = []
    notes: list[Note] = []

    @property
    def shipments(self) -> int:
        """How many shipments the file names, the left out ones included."""
        return len(self.drafts)

    @property
    def left_out(self) -> int:
        """How many shipments will not be sent, because a line of theirs is bad."""
        return sum(draft.bad for draft in self.drafts.values())

    def entries(self) -> Iterator[dict[str, object]]:
        """The shipments as app-svc takes them, in the order of the file."""
        for reference, draft in self.drafts.items():
            if not draft.bad:
                yield _entry(reference, draft)


def make_plan(path: Path, mapping: Mapping) -> Plan:
    """Read the file and group it. Raises CliError when the file cannot be read as the mapping says."""
    return plan_lines(read_lines(path, mapping), mapping)


def plan_lines(lines: Iterable[Line | BadLine], mapping: Mapping) -> Plan:
    """Group lines by reference and merge what they say, by the rules of the mapping."""
    plan = Plan()
    reader = _Reader(mapping)
    for line in lines:
        plan.lines += 1
        read = line if isinstance(line, BadLine) else reader.read(line)
        if isinstance(read, BadLine):
            plan.bad.append(read)
            if read.reference:
                draft = plan.drafts.setdefault(read.reference, Draft(read.number, {}, lines=0))
                draft.bad = True
                draft.lines += 1
            continue
        reference, values = read
        known = plan.drafts.get(reference)
        if known is None:
            plan.drafts[reference] = Draft(line.number, values)
        else:
            known.lines += 1
            _merge(plan, mapping, reference, known, line.number, values)
    _require(plan)
    _note_differences(plan)
    plan.bad.sort()
    return plan


def _merge(plan: Plan, mapping: Mapping, reference: str, known: Draft, number: int, values: dict[str, Value]) -> None:
    for field, new in values.items():
        if field not in known.values:
            known.since[field] = number
        old = known.values.setdefault(field, new)
        if old == new:
            continue
        seen = known.seen.setdefault(field, {old: known.since.get(field, known.first_line)})
        seen.setdefault(new, number)
        rule = mapping.rule(field)
        if rule == "error":
            plan.bad.append(
                BadLine(number, reference, f"{field} is {_text(new)} and was {_text(old)} on line {seen[old]}")
            )
            known.bad = True
        elif (rule == "latest" and _later(new, old)) or (rule == "earliest" and _later(old, new)):
            known.values[field] = new


def _later(one: Value, other: Value) -> bool:
    return isinstance(one, datetime) and isinstance(other, datetime) and one > other


def _note_differences(plan: Plan) -> None:
    for reference, draft in plan.drafts.items():
        if draft.bad:
            continue
        for field, seen in draft.seen.items():
            counts = draft.values[field]
            others = ", ".join(f"{_text(value)} (line {line})" for value, line in seen.items() if value != counts)
            text = f"{field} differs: {_text(counts)} (line {seen[counts]}) counts, not {others}"
            plan.notes.append(Note(draft.first_line, reference, text))


def _require(plan: Plan) -> None:
    for reference, draft in plan.drafts.items():
        lacking = [field for field in REQUIRED if field != REFERENCE and field not in draft.values]
        if lacking and not draft.bad:
            if draft.lines == 1:
                reason = f"the line has no {' and no '.join(lacking)}"
            else:
                reason = f"none of its {draft.lines} lines has {' or '.join(lacking)}"
            plan.bad.append(BadLine(draft.first_line, reference, reason))
            draft.bad = True


class _Reader:
    """Turns the text of a line into values."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._constants = {name: f.constant for name, f in mapping.fields.items() if f.constant is not None}
        self._times = {name: self._time_reader(name) for name in TIMES if name in mapping.fields}

    def read(self, line: Line) -> tuple[str, dict[str, Value]] | BadLine:
        texts = {**self._constants, **line.values}
        # As app-svc does: the same text in two ways of writing it (an accent apart or not) is one reference.
        reference = normalize("NFC", self._given(texts.pop(REFERENCE)))
        if not reference:
            return BadLine(line.number, "", "no reference")
        values: dict[str, Value] = {}
        for field, text in texts.items():
            given = self._given(text)
            if not given:
                continue
            try:
                values[field] = self._value(field, given)
            except ValueError as error:
                return BadLine(line.number, reference, f"{field}: {error}")
        return reference, values

    def _given(self, text: str) -> str:
        return "" if text in self._mapping.missing else " ".join(text.splitlines())

    def _value(self, field: str, text: str) -> Value:
        if read := self._times.get(field):
            return read(text)
        part = field.rpartition(".")[2]
        return _coordinate(part, text) if part in COORDINATES else text

    def _time_reader(self, field: str) -> Callable[[str], datetime]:
        formats = self._mapping.fields[field].date_formats or self._mapping.date_formats
        zone = self._mapping.timezone

        @lru_cache(maxsize=4096)  # a file has far fewer days than lines
        def read(text: str) -> datetime:
            for date_format in formats:
                try:
                    if date_format == "iso":
                        moment = datetime.fromisoformat(text)
                    else:
                        moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - the zone is given below
                    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
                    return moment.astimezone(UTC)
                except (ValueError, OverflowError):
                    continue
            raise ValueError(f"{text!r} is no date in the form {' or '.join(formats)}")

        return read


def _coordinate(part: str, text: str) -> float:
    bound = _RANGES[part]
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not -bound <= number <= bound:
        raise ValueError(f"{text!r} is no number from {-bound:g} to {bound:g}")
    return number


def _entry(reference: str, draft: Draft) -> dict[str, object]:
    entry: dict[str, object] = {REFERENCE: reference}
    for place in PLACES:
        parts = {
            field.partition(".")[2]: value for field, value in draft.values.items() if field.startswith(f"{place}.")
        }
        entry[place] = parts
    for field in TIMES:
        if field in draft.values:
            entry[field] = draft.values[field]
    return entry


def _text(value: Value) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == datetime.min.time() else value.isoformat()
    return repr(value)
