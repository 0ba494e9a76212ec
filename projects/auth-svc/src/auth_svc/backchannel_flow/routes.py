"""The pages under /requests, where people see what waits for them, and decide."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc import clients
from auth_svc.approvals import approval_by
from auth_svc.backchannel_flow import store
from auth_svc.backchannel_flow.flow import BackchannelRequest
from auth_svc.backchannel_flow.notification import Notifications
from auth_svc.clients import Clients
from auth_svc.db import Connection, Ledger
from auth_svc.errors import OAuthError
from auth_svc.resources import DetailInWords, Resources, Scope
from auth_svc.signin import Browser, Errand, SignedIn
from auth_svc.token import narrow
from auth_svc.web import PageProblem, Pages
from lib_one.contracts.auth import ConsentGranted

_PATH = "/requests"


@dataclass(frozen=True)
class Waiting:
    """A request as the page shows it."""

    request_id: str
    client_name: str
    binding_message: str | None
    in_words: list[Scope]
    details: list[DetailInWords]
    narrowed: bool
    """It asked for more than the person may give."""


class RequestPages:
    """The list of what waits, and what its buttons do."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        clients: Clients,
        resources: Resources,
        notifications: Notifications,
    ) -> None:
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._clients = clients
        self._resources = resources
        self._notifications = notifications
        self.routes = [
            Route(_PATH, self._show, methods=["GET"]),
            Route(_PATH, self._decide, methods=["POST"]),
            Route(f"{_PATH}/allowed", self._allowed, methods=["GET"]),
            Route(f"{_PATH}/denied", self._denied, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        found = self._browser.signed_in(request)
        if found is None:
            return self._browser.sign_in(Errand(path=_PATH))
        now = self._ledger.now()
        waiting = await self._ledger.database.read(lambda c: store.waiting_for(c, found.user.user_id, now=now))
        return self._pages.render(
            request,
            "requests.html",
            user=found.user,
            switch=self._browser.sign_in_path(Errand(path=_PATH, again=True)),
            requests=[shown for asked in waiting if (shown := self._shown(asked, found)) is not None],
        )

    async def _decide(self, request: Request) -> Response:
        """The person's answer. A second one, by a double click or the back button, changes nothing."""
        fields = await self._pages.read_form(request)
        found = self._browser.signed_in(request)
        if found is None:
            return self._browser.sign_in(Errand(path=_PATH))
        request_id, decision = fields.get("request_id", ""), fields.get("decision")
        if decision not in {"allow", "deny"}:
            raise PageProblem(400, "That could not be read", "The answer was neither Allow nor Deny.")
        if not await self._ledger.database.work(lambda c: self._settle(c, request_id, found, decision == "allow")):
            raise PageProblem(
                409,
                "This request is no longer waiting",
                "It was answered already or has expired. The application can ask again.",
                back=(_PATH, "What else is waiting"),
            )
        return self._pages.see(f"{_PATH}/{'allowed' if decision == 'allow' else 'denied'}")

    async def _allowed(self, request: Request) -> Response:
        text = "The application goes on by itself in a few seconds. You may close this page."
        return self._pages.render(
            request, "done.html", outcome="good", title="Allowed", text=text, onward=(_PATH, "What else is waiting")
        )

    async def _denied(self, request: Request) -> Response:
        text = "The application has got no access. You may close this page."
        return self._pages.render(
            request, "done.html", outcome="neutral", title="Denied", text=text, onward=(_PATH, "What else is waiting")
        )

    def _settle(self, connection: Connection, request_id: str, found: SignedIn, allow: bool) -> bool:
        """Write the decision of the person whom the request is for; False if it waits for no decision of theirs."""
        asked = store.find(connection, request_id)
        now = self._ledger.now()
        client = None if asked is None else clients.find(connection, asked.client_id)
        if asked is None or asked.user_id != found.user.user_id or client is None or client.disabled:
            return False
        if not allow:
            if not store.decisions.deny(connection, request_id, now=now):
                return False
            self._notifications.decided(connection, client, asked, None, now=now)
            return True
        scope = self._scope(asked, found)
        if not scope:
            raise PageProblem(
                403,
                "Not for your role",
                "The application asks for nothing that your role may give. Nothing was allowed.",
            )
        approval = approval_by(found, scope)
        if not store.decisions.approve(connection, request_id, approval, now=now):
            return False
        self._ledger.outbox.record(
            connection,
            ConsentGranted(
                grant_id=approval.grant_id, user_id=asked.user_id, client_id=asked.client_id, scope=" ".join(scope)
            ),
        )
        try:
            self._notifications.decided(connection, client, asked, approval, now=now)
        except OAuthError as error:
            raise PageProblem(
                409, "This can no longer be allowed", "The application may have less than it asked for by now."
            ) from error
        return True

    def _scope(self, asked: BackchannelRequest, found: SignedIn) -> tuple[str, ...]:
        return narrow(asked.scope, self._resources.catalogue.scopes_for(found.user.roles))

    def _shown(self, asked: BackchannelRequest, found: SignedIn) -> Waiting | None:
        client = self._clients.find(asked.client_id)
        if client is None:
            return None
        scope = self._scope(asked, found)
        return Waiting(
            request_id=asked.request_id,
            client_name=client.client_name,
            binding_message=asked.binding_message,
            in_words=self._resources.catalogue.in_words(scope),
            details=self._resources.catalogue.details_in_words(asked.details),
            narrowed=len(scope) < len(asked.scope),
        )
