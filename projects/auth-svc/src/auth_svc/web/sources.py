"""Sources of a content security policy: where a page of ours may lead, or what it may hold."""

import re
from urllib.parse import urlsplit


def csp_source(uri: str) -> str:
    """The source that covers this address.

    Host sources of CSP know names and 127.0.0.1 but no other address; private-use schemes have no host at all. For
    those the scheme has to do.
    """
    parts = urlsplit(uri)
    host = parts.hostname or ""
    is_other_address = ":" in host or (host != "127.0.0.1" and re.fullmatch(r"[0-9.]+", host) is not None)
    if parts.scheme not in {"http", "https"} or is_other_address:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"
