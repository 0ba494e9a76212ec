"""The client for addresses that a stranger gave: a server that fetches them must not become the stranger's arm.

What it holds against requests forged on the server's side: `https` only and no user name in the address; every address
that the host's name has is public, and the connection goes to the address that was checked, so a name that changes
its mind between check and use gains nothing; no redirect is followed; the whole answer is bounded in size and time.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import cast

from httpx import (
    AsyncBaseTransport,
    AsyncByteStream,
    AsyncClient,
    AsyncHTTPTransport,
    ConnectError,
    ConnectTimeout,
    Limits,
    ReadTimeout,
    Request,
    Response,
    Timeout,
    TransportError,
)

from lib_one.http.client import CONNECT_TIMEOUT, trusted

type Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host's name."""

_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_6TO4_RELAYS = "192.88.99."


class ForbiddenTargetError(TransportError):
    """The address is not one to connect to: not `https`, or it leads to a network that is not public."""


class ResponseTooLargeError(TransportError):
    """The answer has more bytes than may be read, or is compressed and so could."""


def guarded_client(
    *,
    loopback: bool = False,
    timeout: float = 5.0,
    size_limit: int = 64 * 1024,
    transport: AsyncBaseTransport | None = None,
    resolve: Resolve | None = None,
) -> AsyncClient:
    """A client for addresses that strangers gave. Close it (`async with`, or `aclose()`).

    Whatever it refuses or fails at is a `TransportError`, and so an `HTTPError`; an address that is none is an
    `InvalidURL`. The answer is read when it is returned.

    Args:
        loopback: Also take `http` and addresses of this machine: for an issuer on a loopback address.
        timeout: Seconds for everything together: finding the address, connecting, asking, and reading to the end.
        size_limit: Bytes that an answer may have.
        transport: What carries the requests that passed instead of the network: an `httpx.MockTransport` in a test.
        resolve: What finds the addresses of a name instead of the system.
    """
    return AsyncClient(
        transport=_Guard(
            transport or _Network(), resolve or _resolve, loopback=loopback, seconds=timeout, size_limit=size_limit
        ),
        timeout=Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        headers={"accept-encoding": "identity"},
        follow_redirects=False,
        trust_env=False,
    )


class _Network(AsyncBaseTransport):
    """The network, got ready when something is asked: the certificates of all authorities take megabytes."""

    def __init__(self) -> None:
        self._making = asyncio.Lock()
        self._carrier: AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: Request) -> Response:
        """Send it."""
        async with self._making:
            if self._carrier is None:  # in a thread: reading the certificates would hold up everybody
                self._carrier = await asyncio.to_thread(_carrier)
        return await self._carrier.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._carrier is not None:
            await self._carrier.aclose()


def _carrier() -> AsyncHTTPTransport:
    # A connection serves one request: kept ones are found again by their address, and two hosts at one address have
    # two certificates.
    limits = Limits(max_connections=100, max_keepalive_connections=0)
    return AsyncHTTPTransport(verify=trusted(), limits=limits, trust_env=False)


class _Guard(AsyncBaseTransport):
    def __init__(
        self, carrier: AsyncBaseTransport, resolve: Resolve, *, loopback: bool, seconds: float, size_limit: int
    ) -> None:
        self._carrier = carrier
        self._resolve = resolve
        self._loopback = loopback
        self._seconds = seconds
        self._size_limit = size_limit

    async def handle_async_request(self, request: Request) -> Response:
        """Check, connect to what was checked, and read."""
        url = request.url
        if url.scheme != "https" and not (self._loopback and url.scheme == "http"):
            raise ForbiddenTargetError("only https is asked", request=request)
        if url.userinfo:
            raise ForbiddenTargetError("an address with a user name", request=request)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(request)
        except TimeoutError as error:
            raise ReadTimeout(f"no whole answer within {self._seconds:g} seconds", request=request) from error

    async def aclose(self) -> None:
        """Close what carries the requests."""
        await self._carrier.aclose()

    async def _send(self, request: Request) -> Response:
        host = request.url.host
        try:
            addresses = [ip_address(address) for address in await self._resolve(host)]
        except (OSError, UnicodeError, ValueError) as error:
            raise ConnectError(f"{host[:255]}: no address is known", request=request) from error
        for address in addresses:
            if not is_public(address) and not (self._loopback and address.is_loopback):
                raise ForbiddenTargetError(f"{host[:255]} is at {address}, which is not public", request=request)
        failure: TransportError = ConnectError(f"{host[:255]}: no address is known", request=request)
        for address in addresses:
            checked = Request(
                request.method,
                request.url.copy_with(host=str(address)),
                headers=request.headers,
                stream=request.stream,
                # The certificate is checked against the name, as if the name had been connected to.
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await self._read(await self._carrier.handle_async_request(checked), request)
            except (ConnectError, ConnectTimeout) as error:
                failure = error
        raise failure

    async def _read(self, response: Response, request: Request) -> Response:
        try:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise ResponseTooLargeError("the answer is compressed, which was not asked for", request=request)
            body = bytearray()
            async for chunk in cast("AsyncByteStream", response.stream):
                body += chunk
                if len(body) > self._size_limit:
                    raise ResponseTooLargeError(f"the answer exceeds {self._size_limit} bytes", request=request)
        finally:
            await response.aclose()
        return Response(response.status_code, headers=response.headers, content=bytes(body), request=request)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one that anybody on the internet can have.

    An IPv6 address that wraps an IPv4 one is as public as that.
    """
    if isinstance(address, IPv6Address):
        wrapped = address.ipv4_mapped
        if address in _NAT64:
            wrapped = IPv4Address(address.packed[-4:])
        if wrapped is not None:
            return is_public(wrapped)
        if address in _IPV4_COMPATIBLE or address.is_site_local or address.sixtofour or address.teredo:
            return False
    elif str(address).startswith(_6TO4_RELAYS):
        return False
    return address.is_global and not address.is_multicast


async def _resolve(host: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
