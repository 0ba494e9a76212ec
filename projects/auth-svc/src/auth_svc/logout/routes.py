"""/signout, and the end session endpoint /logout."""

from datetime import timedelta
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc.clients import Clients
from auth_svc.db import Connection, Ledger
from auth_svc.keys import KeyRing, UnverifiedTokenError
from auth_svc.logout.flow import Hint, LogoutRequest, LogoutRequestError, SignedOut, logout_request
from auth_svc.relying_parties import Frame, RelyingParties
from auth_svc.revocation import Revocation
from auth_svc.secret_key import SecretKey
from auth_svc.signin import Browser, Session, SignedIn, end_session
from auth_svc.web import (
    SESSION,
    Fields,
    PageProblem,
    Pages,
    Seal,
    SealBrokenError,
    csp_source,
    parse_fields,
    read_fields,
)
from lib_one.observe import get_logger

_REQUEST_LIFE = timedelta(hours=1)
_FRAMES_LOAD = 3
"""Seconds that the pages of the other clients get before the browser goes on to the one that asked."""
_UNASKED = LogoutRequest()

_log = get_logger(__name__)


class LogoutPages:
    """The pages to sign out, whoever wants it."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        clients: Clients,
        keys: KeyRing,
        parties: RelyingParties,
        revocation: Revocation,
        secret_key: SecretKey,
    ) -> None:
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._clients = clients
        self._keys = keys
        self._parties = parties
        self._revocation = revocation
        self._decode_hint = msgspec.json.Decoder(Hint).decode
        self._requests = Seal(
            secret_key.derive("logout request"), shape=LogoutRequest, life=_REQUEST_LIFE, now=ledger.now
        )
        self._ended = Seal(secret_key.derive("signed out"), shape=SignedOut, life=_REQUEST_LIFE, now=ledger.now)
        self.routes = [
            Route("/signout", self._show, methods=["GET"]),
            Route("/signout", self._sign_out, methods=["POST"]),
            Route("/signout/done", self._show_frames, methods=["GET"]),
            Route("/logout", self._logout, methods=["GET", "POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        """Ask the person, on behalf of an application if the address has a sealed request of one."""
        sealed = parse_fields(request.scope["query_string"]).get("request")
        asked = self._open(sealed)
        found = self._browser.signed_in(request)
        if found is None:
            return self._signed_out(request, asked)
        if asked.session_id == found.session.session_id:
            return await self._end(asked, found)
        return self._pages.render(
            request,
            "signout.html",
            form_targets=[csp_source(asked.onward)] if asked.onward else [],
            user=found.user,
            client_name=asked.client_name,
            sealed=sealed,
        )

    async def _sign_out(self, request: Request) -> Response:
        """The person said yes."""
        fields = await self._pages.read_form(request)
        return await self._end(self._open(fields.get("request")), self._browser.signed_in(request))

    async def _logout(self, request: Request) -> Response:
        """The end session endpoint (section 2).

        The person is asked, unless an ID token shows that the application means the sign-in of this very browser:
        anybody can make a link to here.
        """
        posted = request.method == "POST"
        fields = await read_fields(request) if posted else parse_fields(request.scope["query_string"])
        try:
            asked = logout_request(fields, hint=self._hint(fields), find=self._clients.find)
        except LogoutRequestError as error:
            _log.info("logout refused", detail=str(error))
            raise PageProblem(
                400,
                "This cannot be done",
                "The application asked to sign you out, but its request is not good, so nothing has happened. "
                "You can sign out here yourself.",
                back=("/signout", "Sign out"),
            ) from error
        found = self._browser.signed_in(request)
        if found is not None and asked.session_id == found.session.session_id:
            return await self._end(asked, found)
        # To an address without the ID token: and a POST from the application's site comes without our SameSite=Lax
        # cookie, which the GET that follows brings.
        return self._pages.see(f"/signout?request={quote(self._requests.close(asked))}")

    async def _end(self, asked: LogoutRequest, found: SignedIn | None) -> Response:
        onward = asked.onward or "/signout"
        if found is not None:
            frames = await self._ledger.database.work(lambda c: self._end_session(c, found.session))
            if frames:
                ended = SignedOut(
                    session_id=found.session.session_id, client_name=asked.client_name, onward=asked.onward
                )
                onward = f"/signout/done?of={quote(self._ended.close(ended))}"
        response = self._pages.see(onward)
        self._pages.drop_cookie(response, SESSION)
        return response

    def _end_session(self, connection: Connection, session: Session) -> list[Frame]:
        end_session(connection, session, ledger=self._ledger, revocation=self._revocation)
        return self._parties.frames(connection, session.session_id)

    async def _show_frames(self, request: Request) -> Response:
        """Let the clients end their sessions in this browser, then go on (Front-Channel Logout 1.0, section 2)."""
        sealed = parse_fields(request.scope["query_string"]).get("of", "")
        try:
            ended = self._ended.open(sealed)
        except SealBrokenError:
            return self._pages.see("/signout")
        frames = await self._ledger.database.read(lambda c: self._parties.frames(c, ended.session_id))
        response = self._pages.render(
            request,
            "signed-out.html",
            framed=sorted({csp_source(frame.url) for frame in frames}),
            frames=frames,
            outcome="good",
            title="You are signed out",
            text="The applications that you used are being told.",
            onward=(ended.onward, f"Go on to {ended.client_name}") if ended.onward else ("/signin", "Sign in again"),
        )
        if ended.onward:
            response.headers["refresh"] = f"{_FRAMES_LOAD};url={ended.onward}"
        return response

    def _signed_out(self, request: Request, asked: LogoutRequest) -> Response:
        if asked.onward is not None:
            return self._pages.see(asked.onward)
        return self._pages.render(
            request,
            "done.html",
            outcome="good",
            title="You are signed out",
            text="Nobody is signed in with this browser now.",
            onward=("/signin", "Sign in again"),
        )

    def _hint(self, fields: Fields) -> Hint | None:
        """The ID token that the application shows, even an expired one; one that is not ours spoils the request."""
        token = fields.get("id_token_hint")
        if token is None:
            return None
        try:
            hint = self._decode_hint(self._keys.verify(token, typ="JWT"))
        except (UnverifiedTokenError, msgspec.DecodeError) as error:
            raise LogoutRequestError("id_token_hint is not an ID token of ours") from error
        if hint.iss != self._pages.issuer:
            raise LogoutRequestError("id_token_hint is of another issuer")
        return hint

    def _open(self, sealed: str | None) -> LogoutRequest:
        if sealed is None:
            return _UNASKED
        try:
            return self._requests.open(sealed)
        except SealBrokenError as error:
            raise PageProblem(
                400,
                "This request has expired",
                "It was started too long ago, or its address was not copied whole. You can sign out here yourself.",
                back=("/signout", "Sign out"),
            ) from error
