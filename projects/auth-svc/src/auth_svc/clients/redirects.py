"""Redirect URIs: which are fit to register, and which request fits a registered one."""

from urllib.parse import urlsplit

LONGEST_DOCUMENT_ID = 128
"""Characters: an id is part of many rows."""
_LOOPBACK = ("127.0.0.1", "[::1]")
_THIS_COMPUTER = ("127.0.0.1", "::1", "localhost")


def redirect_uri_matches(registered: str, requested: str) -> bool:
    """Compare exactly, character by character; only the port of a loopback address may differ (RFC 8252 section 7.3).

    `localhost` is a name, which can be made to resolve elsewhere (section 8.3): it may be registered, since clients of
    the Model Context Protocol do so, but then with its port.
    """
    if registered == requested:
        return True
    for host in _LOOPBACK:
        origin = f"http://{host}"
        if registered.startswith(origin) and requested.startswith(origin):
            rest, asked = registered.removeprefix(origin), requested.removeprefix(origin)
            return _without_port(rest) is not None and _without_port(rest) == _without_port(asked)
    return False


def is_document_id(client_id: str) -> bool:
    """Whether a client id is an address at which a Client ID Metadata Document can be.

    https, a host, a path without dots to climb by, and neither user name nor fragment: one way to write it.
    """
    if not client_id.startswith("https://") or len(client_id) > LONGEST_DOCUMENT_ID:
        return False
    if redirect_uri_problem(client_id) is not None:
        return False
    parts = urlsplit(client_id)
    segments = parts.path.split("/")
    return len(parts.path) > 1 and not {".", ".."} & set(segments) and parts.netloc == parts.netloc.lower()


def redirect_uri_problem(uri: str) -> str | None:
    """Say what is wrong with a redirect URI that somebody wants to register, or None."""
    if not uri.isascii() or not uri.isprintable() or any(character in uri for character in ' "<>\\^`{|}*'):
        return "it has characters that no address has, or a wildcard"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "it is not an address"
    if not parts.scheme:
        return "it is not absolute"
    if "#" in uri:
        return "it has a fragment"
    if parts.username is not None:
        return "it has a user name"
    if parts.scheme == "https":
        return None if parts.hostname else "it has no host"
    if parts.scheme == "http":
        return None if parts.hostname in _THIS_COMPUTER else "http is for 127.0.0.1, [::1] and localhost only"
    if "." not in parts.scheme:
        return "a private-use scheme is a reversed domain name (RFC 8252 section 7.1)"
    return "a private-use scheme has one slash" if parts.netloc else None


def _without_port(rest: str) -> str | None:
    """Drop `:port` from what follows the host; None if something else follows it."""
    if rest.startswith(":"):
        port, slash, path = rest[1:].partition("/")
        if not slash or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
            return None
        return slash + path
    return rest if rest.startswith("/") else None
