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


def safe_for_guests(text: str) -> str:
    """The same text, addresses for clients with spaces between, if nothing goes over a network that is not encrypted.

    Raises:
        ValueError: an address is none, or is plain and not on this machine.
    """
    if not all(is_guarded(address) for address in text.split()):
        raise ValueError(
            "must be tls://host:port or wss://host:port, several with spaces between; nats:// and ws:// are for this "
            "machine alone"
        )
    return text


def is_guarded(address: str) -> bool:
    """Whether what is sent to this address of a client is encrypted, or stays on this machine."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port  # a port that is none is a ValueError
    except ValueError:
        return False
    if not host or "," in parts.netloc:
        return False
    return parts.scheme in ("tls", "wss") or (parts.scheme in ("nats", "ws") and _loopback(host))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
