"""Why a request is refused, as types; each knows its HTTP status and its public words (RFC 9457).

AppError
├── MalformedRequest    400  the body or a cursor cannot be read at all
├── NotFound            404
├── Conflict            409  it contradicts what is already recorded
├── BodyTimeout         408  the body did not arrive in time
├── BodyTooLarge        413
├── WrongMediaType      415
├── InvalidRequest      422  it can be read, and a field is wrong
└── Overloaded          503  try again later
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

import msgspec


class FieldError(ValueError):
    """One field of a command that breaks a rule. `field` is its name as the client wrote it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request: which field, and why."""

    field: str
    """The path from the top of the body or query, such as `origin.latitude`; empty for the whole."""
    detail: str


def fault_of(error: msgspec.ValidationError) -> Fault:
    """What a decoder found wrong, with the field's path. Decoders stop at the first fault."""
    message, _, path = str(error).rpartition(" - at `")
    if not message:
        message, path = str(error), "$`"
    field = path.removesuffix("`").removeprefix("$").removeprefix(".")
    cause = error.__cause__
    if isinstance(cause, FieldError):
        return Fault(f"{field}.{cause.field}" if field else cause.field, cause.detail)
    named = _NAMED.search(message)  # missing and unknown fields are reported at the object that they belong to
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    return Fault(field, message.replace("`", ""))


_NAMED = re.compile(r"(?:required|unknown) field `(.*)`", re.DOTALL)


class AppError(Exception):
    """A refusal that the client is told about. `detail` is public: it says what is wrong and what to do."""

    status: ClassVar[HTTPStatus]

    def __init__(
        self, detail: str, *, faults: tuple[Fault, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults
        self.headers = dict(headers or {})


class MalformedRequest(AppError):  # noqa: N818 - the noun of the refusal
    """What was sent cannot be read."""

    status = HTTPStatus.BAD_REQUEST


class NotFound(AppError):  # noqa: N818
    """There is no such thing here."""

    status = HTTPStatus.NOT_FOUND


class BodyTimeout(AppError):  # noqa: N818
    """The request's body did not arrive in time."""

    status = HTTPStatus.REQUEST_TIMEOUT


class Conflict(AppError):  # noqa: N818
    """The request contradicts what is already recorded."""

    status = HTTPStatus.CONFLICT


class BodyTooLarge(AppError):  # noqa: N818
    """The request's body is over the limit of this address."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class WrongMediaType(AppError):  # noqa: N818
    """The request's body is not JSON."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class InvalidRequest(AppError):  # noqa: N818
    """The request can be read, but a field of it is wrong; `faults` names each."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class Overloaded(AppError):  # noqa: N818
    """No room at the moment; `Retry-After` says when to come back."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
