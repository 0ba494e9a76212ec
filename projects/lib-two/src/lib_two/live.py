"""Live events of an API, as they happen: server-sent events that resume where they broke off (WHATWG HTML, 9.2)."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Protocol

import httpx_sse
import msgspec

from lib_one import http as web
from lib_two.errors import IssuerUnavailable
from lib_two.problem import api_error

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 15.0
_SILENCE = 30.0
"""Seconds without even a comment from the server after which the connection counts as dead."""


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

    def heed(self, response: web.Response) -> bool: ...


async def events(
    session: TokenSource,
    url: str,
    *,
    last_event_id: str | None = None,
    on_state: Callable[[bool], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[LiveEvent]:
    """The events of the feed at `url`, for ever: a broken connection is made again, and resumes after the last event.

    Leave it with `aclosing()` or by cancelling, so that the connection is closed at once.

    Args:
        session: Gives the token; a fresh one for each connection.
        url: Of the feed.
        last_event_id: Resume after this event; else from now on.
        on_state: Told `True` when connected and `False` when not, for people who want to know.
        sleep: Waits between two tries.

    Raises:
        SignInNeeded: the token was revoked and cannot be replaced.
        ApiError: the API refuses for good (status 403, 404 and their kin).
        OAuthError: the issuer refuses a new token for another reason.
    """
    feed = _Feed(session, url, last_event_id, on_state or (lambda _: None))
    failures = 0
    while True:
        try:
            async with aclosing(feed.connection()) as connection:
                async for event in connection:
                    failures = 0
                    yield event
            failures = min(failures, 1)  # ended by the server (a token's end, a restart): come back soon
        except (web.TransportError, IssuerUnavailable, _BusyError) as error:
            _log.debug("live feed: %r", error)
        failures += 1
        pause = min(_FIRST_PAUSE * 2 ** min(failures - 1, 10), _LONGEST_PAUSE)
        # Jitter, so that all who lost the same server do not come back at the same moment.
        await sleep(max(feed.pause, random.uniform(pause / 2, pause)))  # noqa: S311 - not a secret


class _BusyError(Exception):
    """The server cannot serve at the moment."""


class _Feed:
    """One feed across its connections."""

    def __init__(
        self, session: TokenSource, url: str, last_event_id: str | None, on_state: Callable[[bool], None]
    ) -> None:
        self._session = session
        self._url = url
        self._last_event_id = last_event_id
        self._on_state = on_state
        self._rejected: str | None = None
        self.pause = 0.0
        """Seconds that the server wants between two connections."""

    async def connection(self) -> AsyncGenerator[LiveEvent]:
        """The events of one connection, until it ends."""
        self.pause = 0.0
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        headers |= await self._session.authorization("GET", self._url, rejected=self._rejected)
        token = headers["Authorization"].partition(" ")[2]
        if self._last_event_id is not None:
            headers["Last-Event-ID"] = self._last_event_id
        timeout = web.Timeout(_SILENCE, connect=web.CONNECT_TIMEOUT)
        async with self._session.http.stream("GET", self._url, headers=headers, timeout=timeout) as response:
            await self._check(response, token)
            self._rejected = None
            self._on_state(True)
            try:
                async with aclosing(httpx_sse.EventSource(response).aiter_sse()) as arriving:
                    async for event in arriving:
                        if event.retry is not None:
                            self.pause = min(event.retry / 1000, _LONGEST_PAUSE)
                        if event.id:
                            self._last_event_id = event.id
                        if event.data:
                            yield LiveEvent(event.id, event.event or "message", _decode(event.data))
            finally:
                self._on_state(False)

    async def _check(self, response: web.Response, token: str) -> None:
        if response.status_code == 200:
            return
        await response.aread()
        if self._session.heed(response):
            raise _BusyError("the proof lacked a nonce")
        if response.status_code == 401 and self._rejected is None:
            self._rejected = token  # the next connection comes with a fresh one, or `SignInNeeded` ends it
            raise _BusyError("the token was refused")
        if response.status_code == 429 or response.status_code >= 500:
            after = response.headers.get("retry-after", "")
            self.pause = min(float(after), _LONGEST_PAUSE) if after.isdigit() else 0.0
            raise _BusyError(f"status {response.status_code}")
        raise api_error(response)


def _decode(data: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise _BusyError("an event that is not JSON") from error
