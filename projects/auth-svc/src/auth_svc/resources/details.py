"""Authorization details (RFC 9396): what a type of them is, whether an object is of its type, and how people read it.

Pure. A client says in detail what it wants, such as one payment of one amount; the resource says what can be said.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

from auth_svc.errors import InvalidAuthorizationDetails

LONGEST: Final = 4096
"""Characters of the parameter: it travels through the browser, twice sealed, while its person signs in."""
_MOST: Final = 16
"""Objects, and members of a list: people have to read them."""
_LONGEST_STRING: Final = 256


class DetailField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of an authorization details object."""

    kind: Literal["string", "strings", "integer", "number", "boolean", "object"] = "string"
    title: str = ""
    """What people read in front of its value; its name if there is none."""
    required: bool = False
    values: tuple[str, ...] = ()
    """The only strings that it may have; empty: any."""
    fields: dict[str, "DetailField"] = {}
    """The members of an `object`."""


class DetailType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A type of authorization details. A member that it does not name may not be there (RFC 9396 section 5)."""

    type: str
    title: str
    """What people read when they are asked for consent."""
    fields: dict[str, DetailField] = {}


class DetailInWords(NamedTuple):
    """An authorization details object as the consent page shows it."""

    title: str
    lines: list[tuple[str, str]]
    """Names and values, all of them: nothing is given that was not shown."""


type Detail = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[dict[str, Any], ...]).decode


def parse_details(text: str) -> tuple[Detail, ...]:
    """Take the parameter `authorization_details` apart (RFC 9396 section 2). Objects are not checked yet.

    Raises:
        InvalidAuthorizationDetails: it is no array of objects with a `type`, or it is too large.
    """
    if len(text) > LONGEST:
        raise InvalidAuthorizationDetails("too large")
    try:
        details = _decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidAuthorizationDetails("not an array of objects") from error
    if len(details) > _MOST or not all(isinstance(detail.get("type"), str) for detail in details):
        raise InvalidAuthorizationDetails("too many, or one without a type")
    return details


def details_to_text(details: tuple[Detail, ...]) -> str:
    """For the database."""
    return _encode(details).decode()


def details_from_text(text: str) -> tuple[Detail, ...]:
    """From the database."""
    return _decode(text)


def check_detail(detail: Detail, known: DetailType) -> None:
    """Refuse an object that is not of its type (RFC 9396 section 5).

    Raises:
        InvalidAuthorizationDetails: a member is missing, unknown, or has a value that it may not have.
    """
    _check_members({name: value for name, value in detail.items() if name != "type"}, known.fields)


def in_words(detail: Detail, known: DetailType) -> DetailInWords:
    """What a person reads about it."""
    return DetailInWords(known.title, list(_lines(detail, known.fields)))


def problems_of(known: DetailType) -> Iterable[str]:
    """Say what is wrong with a type that an operator describes."""
    if not known.type or not known.type.isascii() or not known.type.isprintable():
        yield f"{known.type[:140]!r} is no type of authorization details"
    if not known.title.strip() or not known.title.isprintable():
        yield f"the type {known.type[:140]!r} has no title, or one with control characters"
    if "type" in known.fields:
        yield f"the type {known.type[:140]!r} describes the member `type`, which names it"
    yield from _problems_of_fields(known.fields)


def _problems_of_fields(fields: Mapping[str, DetailField]) -> Iterable[str]:
    for name, field in fields.items():
        if not (name + field.title).isprintable():
            yield f"the member {name[:140]!r} has control characters"
        if field.values and field.kind not in {"string", "strings"}:
            yield f"the member {name[:140]!r} has values, but is no string"
        if (field.kind == "object") != bool(field.fields):
            yield f"the member {name[:140]!r} must be an object with fields, or neither"
        yield from _problems_of_fields(field.fields)


def _check_members(members: Mapping[str, Any], fields: Mapping[str, DetailField]) -> None:
    if not members.keys() <= fields.keys():
        raise InvalidAuthorizationDetails("an unknown member")
    for name, field in fields.items():
        if name in members:
            _check_value(members[name], field, name)
        elif field.required:
            raise InvalidAuthorizationDetails(f"no {name}")


def _check_value(value: Any, field: DetailField, name: str) -> None:
    match field.kind:
        case "string":
            good = _is_text(value, field)
        case "strings":
            good = isinstance(value, list) and 0 < len(value) <= _MOST and all(_is_text(one, field) for one in value)
        case "integer":
            good = type(value) is int
        case "number":
            good = type(value) in {int, float}
        case "boolean":
            good = type(value) is bool
        case _:
            good = isinstance(value, dict)
    if not good:
        raise InvalidAuthorizationDetails(f"{name} has a value that it may not have")
    if field.kind == "object":
        _check_members(value, field.fields)


def _is_text(value: Any, field: DetailField) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_STRING or not value.isprintable():
        return False
    return not field.values or value in field.values


def _lines(members: Mapping[str, Any], fields: Mapping[str, DetailField], above: str = "") -> Iterable[tuple[str, str]]:
    for name, field in fields.items():
        if name not in members:
            continue
        value, title = members[name], f"{above}{field.title or name}"
        if field.kind == "object":
            yield from _lines(value, field.fields, f"{title}, ")
        elif field.kind == "strings":
            yield title, ", ".join(value)
        elif field.kind == "boolean":
            yield title, "yes" if value else "no"
        else:
            yield title, str(value)
