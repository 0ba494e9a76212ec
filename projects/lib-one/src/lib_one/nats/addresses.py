"""Addresses of nats-servers as an operator writes them: one, or those of a cluster with commas between."""

import ipaddress
from urllib.parse import urlsplit


def addresses(text: str) -> tuple[str, ...]:
    """Each address for itself."""
    return tuple(address for part in text.split(",") if (address := part.strip()))


def safe(text: str) -> str:
    """The same text, if nothing goes over a network that is not encrypted.

    Raises:
        ValueError: an address is none, or is plain and not on this machine.
    """
    found = addresses(text)
    for address in found:
        parts = urlsplit(address)
        if parts.scheme not in ("nats", "tls") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("must be nats://host:port or tls://host:port, several with commas between")
        if parts.scheme == "nats" and not _loopback(parts.hostname):
            raise ValueError("must begin with tls://: nats:// is for this machine alone")
    if not found:
        raise ValueError("must have an address")
    return text


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
