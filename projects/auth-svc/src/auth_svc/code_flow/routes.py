"""/authorize (GET and POST) and the consent page."""

from datetime import timedelta
from urllib.parse import quote, urlsplit

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc.clients import Client, Clients
from auth_svc.code_flow import store
from auth_svc.code_flow.answer import Answers
from auth_svc.code_flow.code import Code
from auth_svc.code_flow.flow import TooLargeForTheBrowser
from auth_svc.code_flow.kept import REQUEST_URI, KeptRequests
from auth_svc.code_flow.reading import Refused, RequestReader
from auth_svc.code_flow.request import AuthorizationRequest
from auth_svc.code_flow.steps import Step, next_step
from auth_svc.db import Connection, Ledger
from auth_svc.errors import AccessDenied, ConsentRequired, InvalidScope, LoginRequired
from auth_svc.grants import Confirmation, Terms
from auth_svc.keys import KeyRing
from auth_svc.resources import Resources
from auth_svc.secret_key import SecretKey, new_token
from auth_svc.signin import (
    Browser,
    Errand,
    SignedIn,
    acr_of,
    consented_scopes,
    remember_consent,
)
from auth_svc.token import narrow
from auth_svc.web import Fields, PageProblem, Pages, csp_source, parse_fields, read_fields
from lib_one.contracts.auth import ConsentGranted
from lib_one.event import new_id

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_LONGEST_IN_AN_ADDRESS = 8 * 1024
"""Characters of a request, sealed. The address of the sign-in page has them encoded once more, and must stay under the
16 KiB that a page reads."""
_LONGEST_UNDER_FAPI2 = timedelta(seconds=60)
"""Of a code (FAPI 2.0 section 5.3.2.2), whatever the setting says."""


class CodeFlowPages:
    """The way of a browser from a client's request to the code: checks, sign-in, consent, and back."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        clients: Clients,
        reader: RequestReader,
        resources: Resources,
        keys: KeyRing,
        secret_key: SecretKey,
        *,
        code_life: timedelta,
    ) -> None:
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._clients = clients
        self._reader = reader
        self._resources = resources
        self._code_life = code_life
        self._answers = Answers(pages, keys, ledger.now)
        self._requests = KeptRequests(ledger, clients, secret_key)
        self.routes = [
            Route("/authorize", self._authorize, methods=["GET", "POST"]),
            Route("/consent", self._show_consent, methods=["GET"]),
            Route("/consent", self._decide, methods=["POST"]),
        ]

    async def _authorize(self, request: Request) -> Response:
        """The authorization endpoint. It takes no CORS, and no session to say that a request is wrong."""
        posted = request.method == "POST"
        fields = await read_fields(request) if posted else parse_fields(request.scope["query_string"])
        client = await self._known_client(fields)
        request_uri = fields.get("request_uri", "")
        if request_uri.startswith(REQUEST_URI) and "request_uri" not in fields.repeated:
            # What stands beside it is not looked at (RFC 9101 section 6.3). The page has an address of its own, so that
            # it can be loaded again when the reference is used up.
            return self._pages.see(_consent_path(await self._requests.take(request_uri, client.client_id)))
        try:
            asked = await self._reader.read(fields, client, pushed=False)
        except Refused as refused:
            if refused.back is not None:
                return self._answers.refusal(request, refused.back, refused.error)
            raise PageProblem(
                400,
                "The way back is not registered",
                "The application asked to be answered at an address that it has not registered (redirect_uri), so "
                "nothing was sent there. If you maintain it, register the exact address.",
            ) from refused
        kept = self._requests.keep(asked)
        if len(kept) > _LONGEST_IN_AN_ADDRESS:
            return self._answers.refusal(request, asked, TooLargeForTheBrowser())
        if posted and self._browser.signed_in(request) is None:
            # A POST from the client's site comes without our SameSite=Lax cookie; the GET that follows brings it.
            return self._pages.see(_consent_path(kept))
        return await self._go_on(request, asked, client, kept)

    async def _show_consent(self, request: Request) -> Response:
        text = parse_fields(request.scope["query_string"]).get("request", "")
        asked, client = await self._requests.open(text)
        return await self._go_on(request, asked, client, text)

    async def _go_on(self, request: Request, asked: AuthorizationRequest, client: Client, sealed: str) -> Response:
        """Whatever comes next: sign in, consent, or the code."""
        found = self._browser.signed_in(request)
        silent = "none" in asked.prompt
        step = await self._step(asked, client, found)
        if step is Step.REFUSE or (silent and step in {Step.SIGN_IN, Step.CONFIRM}):
            return self._answers.refusal(request, asked, LoginRequired())
        if found is None or step is Step.SIGN_IN:
            return self._browser.sign_in(self._errand(asked, client, sealed, again=found is not None))
        if step is Step.CONFIRM:
            errand = self._errand(asked, client, sealed, again=True)
            return self._browser.sign_in(replace(errand, username=asked.login_hint or found.user.username))
        scope = self._grantable(asked.scope, found)
        if not scope:
            return self._answers.refusal(request, asked, InvalidScope("not for this person"))
        if step is Step.NOTHING:
            secret = new_token()
            if not await self._ledger.database.work(lambda c: self._give(c, asked, client, found, scope, secret)):
                raise _answered(client)
            return self._answers.code(request, asked, secret)
        if silent:
            return self._answers.refusal(request, asked, ConsentRequired())
        host = urlsplit(asked.redirect_uri).hostname or asked.redirect_uri
        other_person = replace(self._errand(asked, client, sealed, again=True), username=None, create=False)
        return self._pages.render(
            request,
            "consent.html",
            form_targets=[csp_source(asked.redirect_uri)],
            action="/consent",
            sealed=sealed,
            client_name=client.client_name,
            user=found.user,
            switch=self._browser.sign_in_path(other_person),
            scopes=self._resources.catalogue.in_words(self._grantable(asked.shown, found)),
            details=self._resources.catalogue.details_in_words(asked.details),
            narrowed=len(scope) < len(asked.scope),
            redirect_host=host,
            on_this_computer=host in _LOOPBACK,
            user_code=None,
        )

    async def _decide(self, request: Request) -> Response:
        """The person's answer. A second one, by a double click or the back button, changes nothing."""
        fields = await self._pages.read_form(request)
        asked, client = await self._requests.open(fields.get("request", ""))
        decision = fields.get("decision")
        now = self._ledger.now()
        if decision == "deny":
            if not await self._ledger.database.work(lambda c: store.answer(c, asked.id, now=now)):
                raise _answered(client)
            return self._answers.refusal(request, asked, AccessDenied("by the person"))
        if decision != "allow":
            raise PageProblem(400, "That could not be read", "The answer was neither Allow nor Deny.")
        found = self._browser.signed_in(request)
        step = await self._step(asked, client, found)
        if found is None or step in {Step.SIGN_IN, Step.CONFIRM, Step.REFUSE}:
            return self._pages.see(_consent_path(fields["request"]))
        scope = self._grantable(asked.scope, found)
        if not scope:
            return self._answers.refusal(request, asked, InvalidScope("not for this person"))
        secret = new_token()
        if not await self._ledger.database.work(lambda c: self._allow(c, asked, client, found, scope, secret)):
            raise _answered(client)
        return self._answers.code(request, asked, secret)

    def _allow(
        self,
        connection: Connection,
        asked: AuthorizationRequest,
        client: Client,
        found: SignedIn,
        scope: tuple[str, ...],
        secret: str,
    ) -> bool:
        now = self._ledger.now()
        if not store.answer(connection, asked.id, now=now):
            return False
        if client.confidential:
            remember_consent(
                connection,
                user_id=found.user.user_id,
                client_id=client.client_id,
                scopes=self._grantable(asked.shown, found),
                now=now,
            )
        code = self._keep_code(connection, asked, client, found, scope, secret)
        self._ledger.outbox.record(
            connection,
            ConsentGranted(
                grant_id=code.grant_id, user_id=code.user_id, client_id=code.client_id, scope=" ".join(scope)
            ),
        )
        return True

    def _give(
        self,
        connection: Connection,
        asked: AuthorizationRequest,
        client: Client,
        found: SignedIn,
        scope: tuple[str, ...],
        secret: str,
    ) -> bool:
        """A code without a question; one a request, so that a pushed one that is loaded again gets no second."""
        if not store.answer(connection, asked.id, now=self._ledger.now()):
            return False
        self._keep_code(connection, asked, client, found, scope, secret)
        return True

    def _keep_code(
        self,
        connection: Connection,
        asked: AuthorizationRequest,
        client: Client,
        found: SignedIn,
        scope: tuple[str, ...],
        secret: str,
    ) -> Code:
        life = min(self._code_life, _LONGEST_UNDER_FAPI2) if client.fapi2 else self._code_life
        code = Code(
            client_id=asked.client_id,
            redirect_uri=asked.redirect_uri,
            code_challenge=asked.code_challenge,
            user_id=found.user.user_id,
            session_id=found.session.session_id,
            grant_id=new_id(),
            auth_time=found.session.auth_time,
            amr=found.session.amr,
            scope=scope,
            nonce=asked.nonce,
            resource=asked.resource,
            terms=Terms(
                acr=acr_of(found.session.amr),
                claims=asked.claims,
                authorization_details=asked.details,
                confirmation=None if asked.dpop_jkt is None else Confirmation(jkt=asked.dpop_jkt),
            ),
            expires_at=self._ledger.now() + life,
        )
        store.keep(connection, code, secret=secret)
        return code

    async def _step(self, asked: AuthorizationRequest, client: Client, found: SignedIn | None) -> Step:
        # What is asked for in detail is asked for each time: yes to one payment is not yes to the next.
        allowed: frozenset[str] = frozenset()
        if found is not None and client.confidential:
            user_id = found.user.user_id
            allowed = await self._ledger.database.read(
                lambda c: consented_scopes(c, user_id=user_id, client_id=client.client_id)
            )
        return next_step(
            asked,
            user_id=found.user.user_id if found else None,
            auth_time=found.session.auth_time if found else None,
            remembered=found is not None and not asked.details and set(self._grantable(asked.shown, found)) <= allowed,
            confidential=client.confidential,
            now=self._ledger.now(),
        )

    def _grantable(self, scope: tuple[str, ...], found: SignedIn) -> tuple[str, ...]:
        """What of it this person may grant."""
        return narrow(scope, self._resources.catalogue.scopes_for(found.user.roles))

    async def _known_client(self, fields: Fields) -> Client:
        client_id = fields.get("client_id")
        client = None if client_id is None or "client_id" in fields.repeated else await self._clients.look_up(client_id)
        if client is None:
            raise PageProblem(
                400,
                "Unknown application",
                "The application that sent you here is not registered (client_id), so nothing was sent back to it.",
            )
        return client

    def _errand(self, asked: AuthorizationRequest, client: Client, sealed: str, *, again: bool) -> Errand:
        return Errand(
            path=_consent_path(sealed),
            client_name=client.client_name,
            username=asked.login_hint,
            form_target=csp_source(asked.redirect_uri),
            again=again,
            create="create" in asked.prompt,
        )


def _consent_path(text: str) -> str:
    return f"/consent?request={quote(text)}"


def _answered(client: Client) -> PageProblem:
    return PageProblem(
        409,
        "You have answered already",
        f"{client.client_name} has your answer. Go back to it; if it is still waiting, start again from there.",
    )
