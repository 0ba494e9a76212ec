"""The listener to which the browser returns: HTTP on 127.0.0.1, for one callback (RFC 8252 section 7.3).

It speaks just enough HTTP to read one request line and to answer it. It listens on the loopback address alone, on a
port that the system picks, and answers whatever else comes by (a favicon, a port scan, a wrong `state`) with an error
without ending the wait.
"""

import asyncio
import html
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

PATH = "/callback"
_LIMIT = 16_384
"""Bytes of a request, at most."""
_PATIENCE = 10.0
"""Seconds that a visitor has to send its request, and the program to decide on the callback."""

type Query = dict[str, str]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 1.1rem/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: #f4f5f7; color: #1c2330 }}
main {{ background: #fff; padding: 2.5rem 3rem; border-radius: .75rem; max-width: 30rem; box-shadow: 0 1px 8px #0002 }}
h1 {{ font-size: 1.5rem; margin: 0 0 .5rem }} p {{ margin: 0 }}
@media (prefers-color-scheme: dark) {{ body {{ background: #14181f; color: #e7eaf0 }} main {{ background: #1e242e }} }}
</style></head><body><main><h1>{title}</h1><p>{text}</p></main></body></html>
"""


class Listener:
    """Waits for one callback that `accepts` takes. Use as an async context manager.

    The browser that brought it is kept waiting until `answer()` says how it ended, so that the page tells the truth.
    """

    def __init__(self, *, accepts: Callable[[Query], bool]) -> None:
        self.accepted: asyncio.Future[Query] = asyncio.get_running_loop().create_future()
        """The query of the callback, once it came."""
        self.redirect_uri = ""
        self._accepts = accepts
        self._verdict: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._visitors: set[asyncio.Task[None]] = set()
        self._bringer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", 0, limit=_LIMIT)
        self.redirect_uri = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{PATH}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        if not self._verdict.done():
            self._verdict.set_result("The sign-in was given up.")
        if self._bringer is not None:
            await asyncio.wait({self._bringer}, timeout=1)
        for visitor in self._visitors:
            visitor.cancel()
        await asyncio.gather(*self._visitors, return_exceptions=True)
        self.accepted.cancel()

    async def answer(self, *, problem: str | None) -> None:
        """Tell the person in the browser how it ended; `None` is well."""
        if not self._verdict.done():
            self._verdict.set_result(problem)
        if self._bringer is not None:
            await asyncio.wait({self._bringer}, timeout=2)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._visitors.add(task)
            task.add_done_callback(self._visitors.discard)
        try:
            with suppress(OSError, asyncio.LimitOverrunError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(head, task))
                await writer.drain()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _respond(self, head: bytes, task: "asyncio.Task[None] | None") -> bytes:
        method, _, rest = head.decode("latin-1").split("\r\n", 1)[0].partition(" ")
        path, _, raw_query = rest.partition(" ")[0].partition("?")
        if path != PATH:
            return _response("404 Not Found", "Nothing here", "This address only waits for a sign-in to come back.")
        if method != "GET":
            return _response(
                "405 Method Not Allowed", "Not like this", "A sign-in comes back by GET.", "Allow: GET\r\n"
            )
        query = _parse(raw_query)
        if query is None or not self._accepts(query):
            return _response("400 Bad Request", "Not the one expected", "This answer belongs to another sign-in.")
        if self.accepted.done():
            return _response("409 Conflict", "Already answered", "This sign-in has already come back.")
        self._bringer = task
        self.accepted.set_result(query)
        async with asyncio.timeout(2 * _PATIENCE):
            problem = await asyncio.shield(self._verdict)
        if problem is not None:
            return _response("400 Bad Request", "You are not signed in", problem)
        return _response("200 OK", "You are signed in", "You may close this window and go back to your program.")


def _parse(raw_query: str) -> Query | None:
    """The parameters, or `None` if one comes twice (OAuth 2.1 section 3.1) or they cannot be read."""
    try:
        pairs = parse_qsl(raw_query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        return None
    query = dict(pairs)
    return query if len(query) == len(pairs) else None


def _response(status: str, title: str, text: str, headers: str = "") -> bytes:
    body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
        f"base-uri 'none'; form-action 'none'\r\n{headers}Connection: close\r\n\r\n"
    )
    return head.encode() + body
