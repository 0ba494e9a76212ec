"""What strangers send to pages, read with limits: queries and urlencoded bodies.

Nothing here ends in a traceback or in a framework's own error: what cannot be read is a `PageProblem`.
"""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from auth_svc.protocol import resource_identifier
from auth_svc.wire import Form

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


class Fields(Form):
    """Parameters as strangers put them into an address or a form: an empty one is absent (OAuth 2.1 section 3.1)."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        found = [(name, resource_identifier(value) if name == "resource" else value) for name, value in pairs]
        repeated = set()
        for name, value in found:
            if not value:
                continue
            if name == "resource":
                self.resources += (value,)
            elif name in self:
                repeated.add(name)
            self.setdefault(name, value)
        self.repeated = frozenset(repeated)
        self.has_control_characters = any(_CONTROL.search(text) for pair in found if pair[1] for text in pair)


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
