"""Sources of a content security policy: where a page of ours may lead, or what it may hold."""

import re
from urllib.parse import urlsplit

_NAME = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")
_ADDRESS = re.compile(r"[0-9.]+(:[0-9]+)?")


def csp_source(uri: str) -> str:
    """The source that covers this address.

    Host sources of CSP know names and 127.0.0.1 but no other address; private-use schemes have no host at all. For
    those the scheme has to do, and for whatever could end the directive.
    """
    parts = urlsplit(uri)
    nameable = _NAME.fullmatch(parts.netloc) and (parts.hostname == "127.0.0.1" or not _ADDRESS.fullmatch(parts.netloc))
    if parts.scheme not in {"http", "https"} or not nameable:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"
