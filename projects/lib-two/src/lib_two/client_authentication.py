"""How a client proves who it is at the authorization server (RFC 6749 section 2.3.1)."""

from base64 import b64encode
from urllib.parse import quote_plus


def basic(client_id: str, client_secret: str) -> str:
    """The value of an `Authorization` header. Id and secret are form-encoded first, as the RFC wants."""
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return "Basic " + b64encode(pair.encode()).decode()
