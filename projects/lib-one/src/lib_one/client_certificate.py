"""The certificate that a client showed in its TLS handshake, as the TLS extension of ASGI has it.

A server that ends TLS itself may fill the extension in. Behind a reverse proxy, `ForwardedCertificate` does: the proxy
sends the certificate in a header, and only from proxies that are trusted is that header believed.
"""

import ssl
from base64 import b64decode
from collections.abc import Awaitable, Callable, MutableMapping
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LONGEST = 16_384
"""Bytes of a header, at most."""


class ClientCertificate(NamedTuple):
    """A certificate whose private key the client has: the handshake proved it."""

    der: bytes
    verified: bool
    """Whether whoever ended TLS also found it to come from an authority that is trusted."""


def client_certificate(scope: Scope) -> ClientCertificate | None:
    """The client's certificate in an ASGI scope, or None."""
    tls: dict[str, Any] = (scope.get("extensions") or {}).get("tls") or {}
    chain = tls.get("client_cert_chain")
    if not chain:
        return None
    try:
        return ClientCertificate(ssl.PEM_cert_to_DER_cert(chain[0]), verified=tls.get("client_cert_error") is None)
    except ValueError:
        return None


class ForwardedCertificate:
    """An ASGI application in front of another, which tells that one the certificate that a proxy has seen.

    It must stand before anything that replaces the address of the peer by a forwarded one.

    Args:
        application: Gets the certificate as ASGI's TLS extension.
        header: Where the proxy puts the certificate: as RFC 9440 has it (`:base64 of the DER:`), or as PEM with
            percent-encoding, which is what nginx calls `$ssl_client_escaped_cert`.
        verified_header: Where the proxy says `SUCCESS` if an authority that it trusts has issued the certificate
            (`$ssl_client_verify`). Without it, no certificate counts as verified.
        trusted_proxies: Addresses or networks, separated by commas.
    """

    def __init__(
        self, application: Application, *, header: str, trusted_proxies: str, verified_header: str = ""
    ) -> None:
        self._application = application
        self._header = header.lower().encode()
        self._verified_header = verified_header.lower().encode()
        self._trusted = [
            ip_network(entry.strip(), strict=False) for entry in trusted_proxies.split(",") if entry.strip()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] == "http" and self._is_trusted(scope.get("client")):
            found = self._certificate(scope)
            if found is not None:
                scope = {**scope, "extensions": {**(scope.get("extensions") or {}), "tls": found}}
        await self._application(scope, receive, send)

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        try:
            address = ip_address((client or ("",))[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)

    def _certificate(self, scope: Scope) -> dict[str, Any] | None:
        given = [value for name, value in scope["headers"] if name == self._header]
        if len(given) != 1 or not 0 < len(given[0]) <= _LONGEST:
            return None
        try:
            pem = _pem(given[0])
        except ValueError:
            return None
        verified = [value for name, value in scope["headers"] if name == self._verified_header] == [b"SUCCESS"]
        return {
            "server_cert": None,
            "client_cert_chain": [pem],
            "client_cert_name": None,
            "client_cert_error": None if verified else "not verified",
            "tls_version": None,
            "cipher_suite": None,
        }


def _pem(value: bytes) -> str:
    """The certificate in a header.

    Raises:
        ValueError: there is none in it.
    """
    if value.startswith(b":") and value.endswith(b":") and len(value) > 2:
        return ssl.DER_cert_to_PEM_cert(b64decode(value[1:-1], validate=True))
    pem = unquote_to_bytes(value).decode("ascii").strip()
    ssl.PEM_cert_to_DER_cert(pem)
    return pem
