"""What strangers send to pages, read with limits: queries and urlencoded bodies.

Nothing here ends in a traceback or in a framework's own error: what cannot be read is a `PageProblem`.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Any, overload
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from auth_svc.protocol import resource_identifier

MAX_BYTES = 16 * 1024
"""A form or a query of ours has a few hundred bytes; an authorization request with a long state a few thousand."""
MAX_FIELDS = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class PageProblem(Exception):  # noqa: N818 - what a person reads on the error page
    """A request that is answered with an error page. Title and text are for people and hold nothing that was sent."""

    def __init__(
        self, status: int, title: str, text: str, *, back: tuple[str, str] | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.text = text
        self.back = back
        """Where to go from here: a local path and the words on its link."""
        self.retry_after = retry_after
        """Seconds, for the header of the same name."""


class Fields(Mapping[str, str]):
    """Parameters as OAuth 2.1 section 3.1 reads them: an empty one is absent; which ones came twice is remembered."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._all: dict[str, list[str]] = {}
        for name, value in pairs:
            if name == "resource":
                value = resource_identifier(value)
            if value:
                self._all.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._all[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    # The two of these that `Mapping` has are built on a KeyError for each name that is absent, and most are.

    def __contains__(self, name: object) -> bool:
        return name in self._all

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get[T](self, key: str, /, default: str | T) -> str | T: ...
    def get(self, key: str, /, default: Any = None) -> Any:
        """The first value of `key`."""
        values = self._all.get(key)
        return default if values is None else values[0]

    def every(self, name: str) -> tuple[str, ...]:
        """All values of `name`, in order: for `resource`, the one parameter that may be repeated (RFC 8707 2)."""
        return tuple(self._all.get(name, ()))

    @cached_property
    def repeated(self) -> frozenset[str]:
        """The names that came more than once."""
        return frozenset(name for name, values in self._all.items() if len(values) > 1)

    @property
    def has_control_characters(self) -> bool:
        """Whether a name or value holds what no text field and no OAuth parameter may (RFC 6749 appendix A)."""
        return _CONTROL.search("".join([*self._all, *chain.from_iterable(self._all.values())])) is not None


def parse_fields(raw: bytes) -> Fields:
    """Read `application/x-www-form-urlencoded`, as a query or as a body.

    Raises:
        PageProblem: it is too large, has too many fields, or is not UTF-8.
    """
    if len(raw) > MAX_BYTES:
        raise PageProblem(413, "That is too much", "The request is larger than anything that this page takes.")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError as error:  # UnicodeError is one
        raise PageProblem(400, "That could not be read", "The request is not a well-formed form or address.") from error
    return Fields(pairs)


async def read_fields(request: Request) -> Fields:
    """Read the urlencoded body of a POST, and stop at the first byte over the limit.

    Raises:
        PageProblem: another media type (415), too large (413), or malformed (400).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise PageProblem(415, "That could not be read", "This page takes forms only.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BYTES:
                break  # parse_fields refuses it
    except ClientDisconnect as error:
        raise PageProblem(400, "That could not be read", "The request ended too early.") from error
    return parse_fields(bytes(body))
