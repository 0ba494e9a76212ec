"""/consents: the applications that act for a person, and the way to withdraw that."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth_svc import backchannel_flow, clients, code_flow, device_flow, grants
from auth_svc.db import Connection, Ledger
from auth_svc.resources import Catalogue, Resources, Scope
from auth_svc.revocation import Revocation
from auth_svc.signin import Browser, Errand, consents_of, forget_consents
from auth_svc.web import PageProblem, Pages

_PATH = "/consents"


@dataclass(frozen=True)
class Application:
    """A client with what a person has allowed it, as the page shows it."""

    client_id: str
    name: str
    scopes: frozenset[str]
    catalogue: Catalogue
    since: datetime
    """When the oldest of it was allowed."""
    used_at: datetime | None
    """When it last got tokens without the person being there; None if it cannot."""

    @property
    def in_words(self) -> list[Scope]:
        """What it may do."""
        return self.catalogue.in_words(self.scopes)


class ConsentPages:
    """The list, and what its buttons do."""

    def __init__(
        self,
        ledger: Ledger,
        pages: Pages,
        browser: Browser,
        revocation: Revocation,
        resources: Resources,
        *,
        access_token_life: timedelta,
    ) -> None:
        self._ledger = ledger
        self._pages = pages
        self._browser = browser
        self._revocation = revocation
        self._resources = resources
        self._access_token_life = access_token_life
        self.routes = [
            Route(_PATH, self._show, methods=["GET"]),
            Route(_PATH, self._withdraw, methods=["POST"]),
            Route(f"{_PATH}/withdrawn", self._withdrawn, methods=["GET"]),
        ]

    async def _show(self, request: Request) -> Response:
        found = self._browser.signed_in(request)
        if found is None:
            return self._browser.sign_in(Errand(path=_PATH))
        now = self._ledger.now()
        catalogue = self._resources.catalogue
        applications = await self._ledger.database.read(
            lambda c: applications_of(c, found.user.user_id, catalogue=catalogue, now=now)
        )
        return self._pages.render(request, "consents.html", user=found.user, applications=applications)

    async def _withdraw(self, request: Request) -> Response:
        fields = await self._pages.read_form(request)
        found = self._browser.signed_in(request)
        if found is None:
            return self._browser.sign_in(Errand(path=_PATH))
        client_id = fields.get("client_id")
        if client_id is None:
            raise PageProblem(400, "That could not be read", "The form does not say which application it is about.")
        await self._ledger.database.work(lambda c: self._end(c, found.user.user_id, client_id))
        return self._pages.see(f"{_PATH}/withdrawn")

    async def _withdrawn(self, request: Request) -> Response:
        return self._pages.render(
            request,
            "done.html",
            outcome="good",
            title="Access withdrawn",
            text="The application can no longer act for you. If you use it again, it has to ask you first.",
            onward=(_PATH, "Other applications"),
        )

    def _end(self, connection: Connection, user_id: str, client_id: str) -> None:
        """Forget what was allowed, and revoke all that came of it: codes on their way and short-lived tokens too."""
        now = self._ledger.now()
        since = now - self._access_token_life
        held = {
            grant.grant_id for grant in grants.live_of(connection, user_id, now=now) if grant.client_id == client_id
        }
        for flow in (code_flow, device_flow, backchannel_flow):
            held.update(flow.withdraw(connection, user_id=user_id, client_id=client_id, since=since, now=now))
        forget_consents(connection, user_id=user_id, client_id=client_id)
        for grant_id in sorted(held):
            self._revocation.revoke_grant(connection, grant_id)


def applications_of(connection: Connection, user_id: str, *, catalogue: Catalogue, now: datetime) -> list[Application]:
    """Every application that this person has allowed something that still counts, by name."""
    found: dict[str, Application] = {}

    def allowed(client_id: str, scopes: frozenset[str], since: datetime, used_at: datetime | None) -> None:
        known = found.get(client_id)
        if known is None:
            client = clients.find(connection, client_id)
            name = client_id if client is None else client.client_name
            found[client_id] = Application(client_id, name, scopes, catalogue, since, used_at)
            return
        found[client_id] = replace(
            known,
            scopes=known.scopes | scopes,
            since=min(known.since, since),
            used_at=max(filter(None, (known.used_at, used_at)), default=None),
        )

    for consent in consents_of(connection, user_id):
        allowed(consent.client_id, frozenset({consent.scope}), consent.granted_at, None)
    for grant in grants.live_of(connection, user_id, now=now):
        allowed(grant.client_id, frozenset(grant.scope), grant.begun_at, grant.renewed_at)
    return sorted(found.values(), key=lambda application: application.name.casefold())
