"""Live events over HTTP: server-sent events that resume where they broke off (WHATWG HTML, 9.2)."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import httpx_sse

from lib_one import http as web
from lib_two.live.source import BusyError, LiveEvent, Offer, TokenSource, decode
from lib_two.problem import api_error

LONGEST_PAUSE = 15.0
_SILENCE = 30.0
"""Seconds without even a comment from the server after which the connection counts as dead."""


class Feed:
    """One feed across its connections."""

    def __init__(
        self,
        session: TokenSource,
        url: str,
        last_event_id: str | None,
        *,
        connected: Callable[[], None],
        offered: Callable[[Offer], None],
    ) -> None:
        """`connected` is called with each connection, `offered` with what the server says of the bus."""
        self.session = session
        self.url = url
        self.last_event_id = last_event_id
        self.pause = 0.0
        """Seconds that the server wants between two connections."""
        self._connected = connected
        self._offered = offered
        self._rejected: str | None = None

    async def connection(self, *, until: int | None = None) -> AsyncGenerator[LiveEvent]:
        """The events of one connection, until it ends; those up to a place in the feed, if it is given."""
        self.pause = 0.0
        url = self.url if until is None else f"{self.url}{'&' if '?' in self.url else '?'}until={until}"
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        headers |= await self.session.authorization("GET", url, rejected=self._rejected)
        token = headers["Authorization"].partition(" ")[2]
        if self.last_event_id is not None:
            headers["Last-Event-ID"] = self.last_event_id
        timeout = web.Timeout(_SILENCE, connect=web.CONNECT_TIMEOUT)
        async with self.session.http.stream("GET", url, headers=headers, timeout=timeout) as response:
            await self._check(response, token)
            self._rejected = None
            self._connected()
            self._look_for_an_offer(response)
            async with aclosing(httpx_sse.EventSource(response).aiter_sse()) as arriving:
                async for event in arriving:
                    if event.retry is not None:
                        self.pause = min(event.retry / 1000, LONGEST_PAUSE)
                    if event.id:
                        self.last_event_id = event.id
                    if event.data:
                        yield LiveEvent(event.id, event.event or "message", decode(event.data))

    def _look_for_an_offer(self, response: web.Response) -> None:
        addresses, subjects = response.headers.get("live-bus", ""), response.headers.get("live-subjects", "")
        if addresses and subjects:
            self._offered(Offer(tuple(addresses.split()), tuple(subjects.split())))

    async def _check(self, response: web.Response, token: str) -> None:
        if response.status_code == 200:
            return
        await response.aread()
        if self.session.heed(response):
            raise BusyError("the proof lacked a nonce")
        if response.status_code == 401 and self._rejected is None:
            self._rejected = token  # the next connection comes with a fresh one, or `SignInNeeded` ends it
            raise BusyError("the token was refused")
        if response.status_code == 429 or response.status_code >= 500:
            after = response.headers.get("retry-after", "")
            self.pause = min(float(after), LONGEST_PAUSE) if after.isdigit() else 0.0
            raise BusyError(f"status {response.status_code}")
        raise api_error(response)
