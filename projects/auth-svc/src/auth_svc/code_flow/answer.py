"""What goes back to the client: the code or the refusal, and the address that brings it there."""

import re
from urllib.parse import quote, urlencode, urlsplit

from starlette.responses import Response

from auth_svc.code_flow.flow import WayBack
from auth_svc.errors import OAuthError
from auth_svc.web import Pages


class Answers:
    """Sends the browser back to the client."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def code(self, back: WayBack, code: str) -> Response:
        """The answer to a request that was allowed."""
        return self._send(back, {"code": code})

    def refusal(self, back: WayBack, error: OAuthError) -> Response:
        """The answer to a request that was not."""
        return self._send(back, {"error": error.code, "error_description": error.description})

    def _send(self, back: WayBack, answer: dict[str, str]) -> Response:
        return self._pages.see(location(back, answer, issuer=self._pages.issuer))


def location(back: WayBack, answer: dict[str, str], *, issuer: str) -> str:
    """The address that brings `answer` to the client, with `iss` (RFC 9207 section 2) and the state as it came.

    The redirect URI's own query is kept (RFC 6749 section 3.1.2).
    """
    answer = {**answer, "iss": issuer}
    if back.state is not None:
        answer["state"] = back.state
    joint = "&" if "?" in back.redirect_uri else "?"
    return f"{back.redirect_uri}{joint}{urlencode(answer, quote_via=quote)}"


def form_target(redirect_uri: str) -> str:
    """The CSP source for `form-action` that lets a form of ours end at this redirect URI.

    Host sources of CSP know names and 127.0.0.1 but no other address; private-use schemes have no host at all. For
    those the scheme has to do.
    """
    parts = urlsplit(redirect_uri)
    host = parts.hostname or ""
    is_other_address = ":" in host or (host != "127.0.0.1" and re.fullmatch(r"[0-9.]+", host) is not None)
    if parts.scheme not in {"http", "https"} or is_other_address:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"
