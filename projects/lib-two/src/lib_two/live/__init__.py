"""Live events of an API, as they happen: over HTTP at once, and over the bus as soon as that can be reached.

`sse` is the feed over HTTP: it is always there, and resumes where it broke off. If the API says where the same feed is
on the bus (the headers `Live-Bus` and `Live-Subjects`), `bus` takes over from it, with the token of the session, and
gives way to it again when the bus is out of reach. The ids are the same, so nothing is lost or told twice on the way.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from lib_one import http as web
from lib_one.errors import BusUnavailableError
from lib_two.errors import IssuerUnavailable, TokenError
from lib_two.live.bus import BusFeed
from lib_two.live.source import BusyError, LiveEvent, Offer, TokenSource
from lib_two.live.sse import LONGEST_PAUSE, Feed

__all__ = ["LiveEvent", "TokenSource", "events"]

FIRST_PAUSE = 0.25
"""Seconds between two connections over HTTP: the pause doubles up to `LONGEST_PAUSE`."""
FIRST_BUS_PAUSE, LONGEST_BUS_PAUSE = 1.0, 60.0
"""Seconds between two attempts to reach the bus."""

_log = logging.getLogger(__name__)


async def events(
    session: TokenSource,
    url: str,
    *,
    last_event_id: str | None = None,
    on_state: Callable[[bool], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[LiveEvent]:
    """The events of the feed at `url`, for ever: a broken connection is made again, and resumes after the last event.

    Leave it with `aclosing()` or by cancelling, so that the connections are closed at once.

    Args:
        session: Gives the token; a fresh one for each connection.
        url: Of the feed.
        last_event_id: Resume after this event; else from now on.
        on_state: Told `True` when connected and `False` when not, for people who want to know.
        sleep: Waits between two tries over HTTP.

    Raises:
        SignInNeeded: the token was revoked and cannot be replaced.
        ApiError: the API refuses for good (status 403, 404 and their kin).
        OAuthError: the issuer refuses a new token for another reason.
    """
    live = _Live(session, url, last_event_id, on_state or (lambda _: None))
    failures = 0
    try:
        while True:
            try:
                async with aclosing(live.connection()) as connection:
                    async for event in connection:
                        failures = 0
                        yield event
                failures = min(failures, 1)  # ended by the server (a token's end, a restart): come back soon
            except (web.TransportError, IssuerUnavailable, BusyError, BusUnavailableError) as error:
                _log.debug("live feed: %r", error)
            if await live.next():
                continue
            failures += 1
            pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
            # Jitter, so that all who lost the same server do not come back at the same moment.
            await sleep(max(live.feed.pause, random.uniform(pause / 2, pause)))  # noqa: S311 - not a secret
    finally:
        await live.close()


class _Live:
    """One feed: over the bus while that stands, else over HTTP, with the next way being prepared meanwhile."""

    def __init__(
        self, session: TokenSource, url: str, last_event_id: str | None, on_state: Callable[[bool], None]
    ) -> None:
        self.feed = Feed(session, url, last_event_id, connected=lambda: self._tell(connected=True), offered=self._take)
        self._on_state = on_state
        self._told = False
        self._offer: Offer | None = None
        self._offered = asyncio.Event()
        self._bus: BusFeed | None = None
        self._next_bus = asyncio.ensure_future(self._reach(0.0))

    def connection(self) -> AsyncGenerator[LiveEvent]:
        """The events of the way that is open now, until it ends, or until there is another one."""
        if self._bus is None:
            return _until(self._next_bus, self.feed.connection())
        return _until(self._next_bus, self._bus.events(self.feed))

    async def next(self) -> bool:
        """Take the next way; False if that is HTTP after HTTP, before which one should wait."""
        before, self._bus = self._bus, None
        if before is not None:
            await before.close()
        if self._next_bus.done():
            self._bus = self._next_bus.result()
            self._tell(connected=True)
            self._next_bus = asyncio.ensure_future(self._reach(self._bus.good_for))
            return True
        self._tell(connected=False)
        if before is None:
            return False
        await _cancelled(self._next_bus)  # it waited for the end of a token that may be revoked by now
        self._next_bus = asyncio.ensure_future(self._reach(FIRST_BUS_PAUSE))
        return True

    async def close(self) -> None:
        """Leave every connection."""
        try:
            await _cancelled(self._next_bus)
            if not self._next_bus.cancelled():
                await self._next_bus.result().close()
        finally:
            if self._bus is not None:
                await self._bus.close()
            self._tell(connected=False)

    async def _reach(self, pause: float) -> BusFeed:
        """A connection to the bus, as soon as the API has said where that is, and one stands."""
        while True:
            await self._offered.wait()
            await asyncio.sleep(pause)
            try:
                if self._offer is not None:
                    return await BusFeed.reach(self.feed.session, self._offer)
            except (BusUnavailableError, TokenError, web.HTTPError) as error:
                _log.debug("the bus is out of reach: %r", error)
            pause = min(max(2 * pause, FIRST_BUS_PAUSE), LONGEST_BUS_PAUSE)

    def _take(self, offer: Offer) -> None:
        self._offer = offer
        self._offered.set()

    def _tell(self, *, connected: bool) -> None:
        if connected != self._told:
            self._told = connected
            self._on_state(connected)


async def _until(end: "asyncio.Future[BusFeed]", source: AsyncGenerator[LiveEvent]) -> AsyncGenerator[LiveEvent]:
    """The events of `source` until it ends, or `end` has come."""
    async with aclosing(source):
        while True:
            arriving = asyncio.ensure_future(anext(source, None))
            waiting: set[asyncio.Future[Any]] = {arriving, end}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not arriving.done():
                    await _cancelled(arriving)
            if arriving.cancelled():
                return
            event = arriving.result()
            if event is None:
                return
            yield event


async def _cancelled(task: "asyncio.Future[Any]") -> None:
    """Cancel a task, and wait until it has come to its end."""
    task.cancel()
    await asyncio.wait({task})
