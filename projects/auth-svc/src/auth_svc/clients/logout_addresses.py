"""The addresses of a client that matter when its user signs out: which are fit to register."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from auth_svc.clients.metadata import ClientMetadata
from auth_svc.clients.problem import Problem
from auth_svc.clients.redirects import redirect_uri_problem


def logout_address_problems(client: ClientMetadata) -> Iterable[Problem]:
    """Say what is wrong with them.

    RP-Initiated Logout section 3.1, Back-Channel Logout section 2.2 and Front-Channel Logout section 2.
    """
    for uri in client.post_logout_redirect_uris:
        problem = redirect_uri_problem(uri)
        if problem is not None:
            yield Problem("post_logout_redirect_uris", f"post-logout redirect URI {uri[:200]!r}: {problem}")
    for name in ("backchannel_logout_uri", "frontchannel_logout_uri"):
        uri = getattr(client, name)
        if uri is not None:
            problem = redirect_uri_problem(uri) or _web_problem(uri)
            if problem is not None:
                yield Problem(name, f"{name} {uri[:200]!r}: {problem}")
    # It is loaded into a frame of our page: nobody shall name a page of somebody else there.
    framed = client.frontchannel_logout_uri
    if framed is not None and _origin(framed) not in {_origin(uri) for uri in client.redirect_uris}:
        text = "frontchannel_logout_uri has another scheme, host or port than every redirect URI"
        yield Problem("frontchannel_logout_uri", text)


def _web_problem(uri: str) -> str | None:
    return None if urlsplit(uri).scheme in {"http", "https"} else "it is not https"


def _origin(uri: str) -> tuple[str, str]:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc
