"""What all ways of hearing live events have in common."""

from typing import Any, NamedTuple, Protocol

import msgspec

from lib_one import http as web
from lib_two.bus import Pass


class LiveEvent(msgspec.Struct, frozen=True):
    """One event of a feed."""

    id: str
    """Where the feed can be resumed after this event."""
    kind: str
    """The event's name: `registered`, `scanned`, `delivered`."""
    data: Any
    """Its JSON data, decoded."""


class TokenSource(Protocol):
    """What is needed of a session: `lib_two.session.Session` and `ClientSession` are such."""

    @property
    def http(self) -> web.AsyncClient: ...

    async def authorization(self, method: str, url: str, *, rejected: str | None = None) -> dict[str, str]: ...

    async def bus_pass(self) -> Pass: ...

    def heed(self, response: web.Response) -> bool: ...


class BusyError(Exception):
    """The server cannot serve at the moment."""


class Offer(NamedTuple):
    """Where the same feed is on the bus."""

    addresses: tuple[str, ...]
    subjects: tuple[str, ...]


def decode(data: str | bytes) -> Any:
    """The JSON data of an event.

    Raises:
        BusyError: it is none.
    """
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise BusyError("an event that is not JSON") from error
