"""What leaves for a browser: HTML from templates, with the headers that every page has, cookies and CSRF tokens."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from auth_svc.web.forms import Fields, PageProblem, read_fields

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = Path(__file__).parent.parent
_STYLE = (_PACKAGE / "static" / "style.css").read_bytes()
_STYLE_PATH = f"/static/style-{hashlib.sha256(_STYLE).hexdigest()[:12]}.css"
_SUBMIT = (_PACKAGE / "static" / "submit.js").read_bytes()
_SUBMIT_PATH = f"/static/submit-{hashlib.sha256(_SUBMIT).hexdigest()[:12]}.js"
_VISIT = "visit"
_HOME = ("/", "To the start page")
_NOT_HERE = {
    404: PageProblem(404, "There is no such page", "The address was mistyped, or the page is gone.", back=_HOME),
    405: PageProblem(405, "That does not work here", "This page cannot be used in this way.", back=_HOME),
}
_BROKEN = PageProblem(500, "Something broke", "It is not your fault. Try again in a moment.", back=_HOME)
SESSION = "session"
"""Name of the cookie that holds the browser session's secret."""


class Pages:
    """Renders pages and reads their forms, for one issuer.

    Every form carries a CSRF token: a MAC over a random cookie of this browser and the secret of its session, so it is
    good for this browser and this sign-in alone.
    """

    def __init__(self, *, issuer: str, csrf_key: bytes) -> None:
        self.issuer = issuer
        self.secure = issuer.startswith("https://")
        self.path = urlsplit(issuer).path
        """Where the pages are on their host: the path of the issuer, `/auth` or nothing."""
        self._csrf_key = csrf_key

    def url(self, path: str) -> str:
        """The address of a page of ours, without the host. `path` is what its route says; other addresses stay."""
        return _url(self.path, path)

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        form_targets: Iterable[str] = (),
        framed: Iterable[str] = (),
        scripted: bool = False,
        retry_after: int | None = None,
        **context: object,
    ) -> HTMLResponse:
        """A page. Its template finds `csrf` beside `context`.

        `form_targets` are the CSP sources, beside our own, that a form of this page may end up at: browsers hold
        `form-action` against the redirects after a form, too. `framed` are those of what it holds in frames. Only a
        page that is `scripted` may run scripts, and only ours.
        """
        visit = self.cookie(request, _VISIT)
        fresh = visit is None
        if visit is None:
            visit = secrets.token_urlsafe(32)
        html = _templates(self.issuer).get_template(template).render(csrf=self._csrf(visit, request), **context)
        response = HTMLResponse(html, status)
        self._protect(response, form_targets, framed=framed, scripted=scripted)
        if fresh:
            self.set_cookie(response, _VISIT, visit)
        if retry_after is not None:
            response.headers["retry-after"] = str(retry_after)
        return response

    def problem(self, request: Request, problem: PageProblem) -> HTMLResponse:
        """The error page."""
        return self.render(
            request,
            "problem.html",
            status=problem.status,
            retry_after=problem.retry_after,
            title=problem.title,
            text=problem.text,
            back=problem.back,
        )

    def see(self, location: str) -> Response:
        """Go there with GET: 303, never 307, which would carry a password along (RFC 9700 4.12).

        `location` is the path of a page of ours, as its route says, or an address elsewhere.
        """
        response = RedirectResponse(self.url(location), 303)
        self._protect(response, ())
        return response

    async def read_form(self, request: Request) -> Fields:
        """Read a form of one of our pages, and make sure that it was one of our pages.

        Raises:
            PageProblem: unreadable, from another site, from before the last sign-in, or from a browser without cookies.
        """
        fields = await read_fields(request)
        # Origin says "null" under no-referrer, even from our own pages; Sec-Fetch-Site tells the truth where it exists.
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise PageProblem(403, "That came from another site", "Forms are only taken from the pages of this site.")
        visit = self.cookie(request, _VISIT)
        if visit is None:
            raise PageProblem(
                400,
                "Cookies are needed",
                "Your browser did not send back the cookie that keeps your sign-in safe. Allow cookies for this site, "
                "then go back, reload the page and try again.",
            )
        if not hmac.compare_digest(fields.get("csrf", "").encode(), self._csrf(visit, request).encode()):
            raise PageProblem(
                403,
                "This page is out of date",
                "You have signed in or out since it was opened, perhaps in another window. "
                "Go back, reload the page and try again.",
            )
        if fields.repeated or fields.has_control_characters:
            raise PageProblem(400, "That could not be read", "The form holds what no page of ours sends.")
        return fields

    def cookie(self, request: Request, name: str) -> str | None:
        """The value of one of our cookies."""
        return request.cookies.get(self._name(name)) or None

    def set_cookie(self, response: Response, name: str, value: str, *, life: timedelta | None = None) -> None:
        """Set a cookie, out of reach of scripts and of other sites' forms; no `life`: until it closes."""
        response.set_cookie(
            self._name(name),
            value,
            max_age=None if life is None else int(life.total_seconds()),
            path=self.path or "/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def drop_cookie(self, response: Response, name: str) -> None:
        """Make the browser forget one of our cookies."""
        response.delete_cookie(
            self._name(name), path=self.path or "/", secure=self.secure, httponly=True, samesite="lax"
        )

    def _name(self, name: str) -> str:
        # __Host-: no sibling domain and no plain-http page can plant it. Browsers refuse the prefix without TLS, and
        # with a path: what shares the host with an issuer that has a path must not be sent its cookies.
        if self.secure:
            return f"__Secure-{name}" if self.path else f"__Host-{name}"
        return f"auth_svc_{name}"

    def _csrf(self, visit: str, request: Request) -> str:
        bound = f"{visit}.{self.cookie(request, SESSION) or ''}"
        return hmac.new(self._csrf_key, bound.encode(), hashlib.sha256).hexdigest()

    def _protect(
        self, response: Response, form_targets: Iterable[str], *, framed: Iterable[str] = (), scripted: bool = False
    ) -> None:
        targets = " ".join(["'self'", *form_targets])
        scripts = "script-src 'self'; " if scripted else ""
        sources = " ".join(framed)
        frames = f"frame-src {sources}; " if sources else ""
        response.headers["content-security-policy"] = (
            f"default-src 'none'; {scripts}{frames}style-src 'self'; form-action {targets}; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["x-frame-options"] = "DENY"
        response.headers["x-content-type-options"] = "nosniff"
        response.headers["referrer-policy"] = "no-referrer"
        response.headers["cache-control"] = "no-store"
        if self.secure:
            response.headers["strict-transport-security"] = "max-age=31536000"


def _url(prefix: str, path: str) -> str:
    return f"{prefix}{path}" if path.startswith("/") else path


@cache
def _templates(issuer: str) -> "Environment":
    """The templates of one issuer's pages; a process compiles each of them once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 2 MB that no program asks for

    host, prefix = urlsplit(issuer)[1:3]
    templates = Environment(
        loader=FileSystemLoader(_PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals["url"] = partial(_url, prefix)
    templates.globals["style"] = _url(prefix, _STYLE_PATH)
    templates.globals["submit_script"] = _url(prefix, _SUBMIT_PATH)
    templates.globals["host"] = host
    return templates


class UnderPath:
    """The site of an issuer with a path: what is not below that path is not here."""

    def __init__(self, path: str, site: ASGIApp) -> None:
        self._path = path
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        if scope["type"] == "http":
            path = scope["path"] if scope["path"] != self._path else f"{self._path}/"
            if not path.startswith(f"{self._path}/"):
                await PlainTextResponse("There is nothing at this address.\n", 404)(scope, receive, send)
                return
            scope = {**scope, "path": path, "root_path": self._path}
        await self._site(scope, receive, send)


def install(app: Starlette, pages: Pages) -> None:
    """Give `app` the routes of style sheet and script, and the error pages, for what is not there and what broke."""
    headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}

    async def style(_: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers=headers)

    async def submit(_: Request) -> Response:
        return Response(_SUBMIT, media_type="text/javascript", headers=headers)

    async def problem(request: Request, error: Exception) -> Response:
        return pages.problem(request, error if isinstance(error, PageProblem) else _BROKEN)

    async def not_here(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        response = pages.problem(request, _NOT_HERE.get(status, _BROKEN))
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)  # Allow, with 405
        return response

    app.router.routes += [Route(_STYLE_PATH, style), Route(_SUBMIT_PATH, submit)]
    app.add_exception_handler(PageProblem, problem)
    app.add_exception_handler(HTTPException, not_here)
    app.add_exception_handler(Exception, problem)
