"""The one HTTP client of the house. httpx is imported here alone, so its time-outs and limits are set in one place.

`client` is for addresses that an operator gave, `guarded_client` for those that a stranger gave.
"""

from lib_one.imports import without

with without("pygments"):  # for a command of its own
    from httpx import (
        ASGITransport,
        AsyncBaseTransport,
        AsyncClient,
        BasicAuth,
        ConnectError,
        HTTPError,
        HTTPStatusError,
        InvalidURL,
        MockTransport,
        Request,
        Response,
        Timeout,
        TimeoutException,
        TransportError,
    )

from lib_one.http.client import CONNECT_TIMEOUT, client
from lib_one.http.guarded import ForbiddenTargetError, ResponseTooLargeError, guarded_client, is_public

__all__ = [
    "CONNECT_TIMEOUT",
    "ASGITransport",
    "AsyncBaseTransport",
    "AsyncClient",
    "BasicAuth",
    "ConnectError",
    "ForbiddenTargetError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "MockTransport",
    "Request",
    "Response",
    "ResponseTooLargeError",
    "Timeout",
    "TimeoutException",
    "TransportError",
    "client",
    "guarded_client",
    "is_public",
]
