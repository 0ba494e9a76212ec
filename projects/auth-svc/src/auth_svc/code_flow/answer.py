"""What goes back to the client, the code or the refusal, and how it travels: its response mode."""

from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from auth_svc.code_flow.request import WayBack
from auth_svc.errors import OAuthError
from auth_svc.keys import KeyRing
from auth_svc.web import Pages, csp_source
from lib_one.event import Now

_SIGNED_LIFE: Final = timedelta(minutes=2)
"""How long a signed answer is good (JARM section 2.1 wants at most ten minutes)."""


class Answers:
    """Sends the browser back to the client, with `iss` (RFC 9207 section 2) and the state as it came."""

    def __init__(self, pages: Pages, keys: KeyRing, now: Now) -> None:
        self._pages = pages
        self._keys = keys
        self._now = now

    def code(self, request: Request, back: WayBack, code: str) -> Response:
        """The answer to a request that was allowed."""
        return self._send(request, back, {"code": code})

    def refusal(self, request: Request, back: WayBack, error: OAuthError) -> Response:
        """The answer to a request that was not."""
        return self._send(request, back, {"error": error.code, "error_description": error.description})

    def _send(self, request: Request, back: WayBack, answer: dict[str, str]) -> Response:
        answer["iss"] = self._pages.issuer
        if back.state is not None:
            answer["state"] = back.state
        if back.signed_by is not None:
            answer = {"response": self._signed(back, answer, back.signed_by)}
        if back.response_mode == "query":
            return self._pages.see(location(back.redirect_uri, answer))
        # Form Post Response Mode section 2. The form sends itself where scripts may run; else its button does.
        return self._pages.render(
            request,
            "form_post.html",
            form_targets=[csp_source(back.redirect_uri)],
            scripted=True,
            action=back.redirect_uri,
            redirect_host=urlsplit(back.redirect_uri).hostname,
            answer=answer,
        )

    def _signed(self, back: WayBack, answer: dict[str, str], algorithm: str) -> str:
        """JARM section 2.1: who answers, whom, and until when it is good, beside the answer itself."""
        claims = {**answer, "aud": back.client_id, "exp": int((self._now() + _SIGNED_LIFE).timestamp())}
        return self._keys.sign(algorithm, "JWT", msgspec.json.encode(claims))


def location(redirect_uri: str, answer: dict[str, str]) -> str:
    """The address that brings `answer` to the client. What query it has is kept (RFC 6749 section 3.1.2)."""
    joint = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{joint}{urlencode(answer, quote_via=quote)}"
