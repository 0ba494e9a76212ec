"""The HTTP server process: bind, serve until told to stop, leave nothing half done."""

import asyncio
import gc
import signal
import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lib_one.client_certificate import ForwardedCertificate

GRACE = 2
"""Seconds that requests under way get to finish."""
_KEEP_ALIVE = 30
_BACKLOG = 2048


class PortInUseError(Exception):
    """Somebody else listens there."""


class OneWrite:
    """A transport that writes all of one turn of the event loop at once.

    uvicorn writes the head of an answer and its body apart: two system calls, and two packets, where one does.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Close, once everything is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()


class _Protocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]


class _Server(uvicorn.Server):
    """uvicorn raises the signal again after a clean stop, which makes the exit code a failure; here it is 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and Ctrl-C."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        PortInUseError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Now, not when all is ready: until it listens, the port is not really ours.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise PortInUseError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


def serve(
    application: ASGIApp,
    listener: socket.socket,
    *,
    while_running: AbstractAsyncContextManager[None],
    trusted_proxies: str = "",
    certificate_header: str = "",
    certificate_verified_header: str = "",
) -> None:
    """Serve until SIGTERM or Ctrl-C, inside of `while_running`: what that raises at its start is raised here.

    (As an ASGI lifespan it would be a traceback in uvicorn's log.)
    """
    if trusted_proxies:
        # A forwarded address is what a stranger says, unless a proxy of ours says it (RFC 9700 section 4.13).
        application = ProxyHeadersMiddleware(application, trusted_proxies)  # type: ignore[arg-type,assignment]
    if certificate_header:
        # Outermost: it must see the proxy's own address.
        application = ForwardedCertificate(
            application,
            header=certificate_header,
            verified_header=certificate_verified_header,
            trusted_proxies=trusted_proxies,
        )
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config)

    async def run() -> None:
        with server.capture_signals():
            async with while_running:
                # What is there now stays for ever: the collector need not walk through it again and again.
                gc.collect()
                gc.freeze()
                await server.serve([listener])

    asyncio.run(run(), loop_factory=config.get_loop_factory())
