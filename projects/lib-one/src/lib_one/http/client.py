"""The client for addresses that an operator gave."""

from functools import cache
from typing import TYPE_CHECKING, Any

from httpx import AsyncBaseTransport, AsyncClient, Limits, Request, Response, Timeout, create_ssl_context

from lib_one import trace

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECT_TIMEOUT = 3.0
"""Seconds to reach a server. It answers at once or it is away: waiting longer only fills queues."""


def client(
    *,
    base_url: str = "",
    timeout: float = 10.0,
    headers: dict[str, str] | None = None,
    transport: AsyncBaseTransport | None = None,
) -> AsyncClient:
    """A client with time-outs and limits. Close it (`async with`, or `aclose()`).

    It follows no redirects (a token must not travel to where somebody points), reads no proxy and no `.netrc` from the
    environment, and keeps at most 20 idle connections. Its requests carry on the trace of the work at hand.

    Args:
        base_url: Put before each relative URL.
        timeout: Seconds to wait for each chunk of an answer, for a write, and for a free connection.
        headers: Sent with every request.
        transport: What carries the requests instead of the network: an ASGI app in a test.
    """
    return _Client(
        base_url=base_url,
        timeout=Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        limits=Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30),
        headers=headers,
        transport=transport,
        verify=trusted() if transport is None else True,
        follow_redirects=False,
        trust_env=False,
    )


@cache
def trusted() -> "SSLContext":
    """Whose certificates all clients believe: the public authorities, or those in `SSL_CERT_FILE` or `SSL_CERT_DIR`.

    A process reads them once: each time would take 20 ms.
    """
    return create_ssl_context()


class _Client(AsyncClient):
    """Makes each request a span of the work at hand. Where there is none, it begins no trace."""

    async def send(self, request: Request, **options: Any) -> Response:
        """See `httpx.AsyncClient.send`."""
        if trace.current() is None:
            return await super().send(request, **options)
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": request.url.host,
        }
        with trace.span(f"{request.method} {request.url.host}", trace.CLIENT, attributes=attributes) as work:
            request.headers["traceparent"] = str(work.context)
            response = await super().send(request, **options)
            attributes["http.response.status_code"] = response.status_code
            work.failed = response.is_error
        return response
