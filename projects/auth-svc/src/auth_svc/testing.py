"""A whole auth-svc inside a test: seeded people and clients, a clock that stands still, a bus that only records."""

import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote_plus, urljoin, urlsplit

import msgspec

from auth_svc import clients, users
from auth_svc.app import AuthService, create_app
from auth_svc.protocol import AUTHORIZATION_CODE, OFFLINE_ACCESS, OPENID
from auth_svc.settings import Settings
from auth_svc.token import Authorized
from lib_one.event import Event, new_id
from lib_one.http import ASGITransport, AsyncClient, Response
from lib_one.http import client as http_client
from lib_one.testing import Clock, FakeWeb, RecordingBus, eventually

ISSUER = "http://127.0.0.1:8400"
RESOURCE = "http://127.0.0.1:8401"
PASSWORD = "correct horse battery"
SECRET = "secret-for-tests-0123456789-abcdefgh"
PEOPLE = (("erin", "employee"), ("clara", "clerk"), ("dan", "driver"), ("otto", "operator"))
VERIFIER = "a-code-verifier-with-more-than-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
LOOPBACK = "http://127.0.0.1:53412/callback"
"""Redirect URI of a native client that listens on this port."""
SEED = {
    "users": [
        {
            "username": name,
            "name": f"{name.title()} {role.title()}",
            "email": f"{name}@example.com",
            "roles": [role],
            "password": PASSWORD,
        }
        for name, role in PEOPLE
    ],
    "clients": [
        {"client_id": "app-svc", "client_name": "AppService", "secret": SECRET},
        {
            "client_id": "simulator",
            "client_name": "Simulator",
            "secret": SECRET,
            "grant_types": ["client_credentials"],
            "scope": "shipments:read shipments:write shipments:scan",
        },
        {
            "client_id": "web",
            "client_name": "Web shop",
            "secret": SECRET,
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access shipments:read shipments:write",
            "redirect_uris": ["https://shop.example/callback?of=shop"],
            "backchannel_logout_uri": "https://shop.example/logout?over=channel",
            "post_logout_redirect_uris": ["https://shop.example/bye", "https://shop.example/bye?of=shop"],
        },
    ],
}


@dataclass
class House:
    """A running auth-svc, and what a test needs to talk to it."""

    app: AuthService
    http: AsyncClient
    clock: Clock
    bus: RecordingBus
    web: FakeWeb
    """What is at the addresses that clients give: `house.web["https://rp.example/jwks"] = Response(200, json=…)`."""
    issuer: str = ISSUER
    resource: str = RESOURCE
    password: str = PASSWORD
    """Of every person."""
    secret: str = SECRET
    """Of every confidential client."""

    async def post(self, path: str, data: Mapping[str, str], *, client: str | None = None) -> Response:
        """Post a form; with `client`, as that confidential client (Basic)."""
        return await self.http.post(path, data=dict(data), headers=self.basic(client) if client else {})

    async def tokens(
        self,
        username: str = "clara",
        *,
        client: str = "cli-proj",
        scope: str = "openid profile email offline_access shipments:read shipments:write",
        **changes: Any,
    ) -> dict[str, Any]:
        """What /token answers at the end of a sign-in of this person with this client, without the pages."""

        def unit(connection: Any) -> bytes:
            person, application = users.find_by_username(connection, username), clients.find(connection, client)
            assert person is not None  # noqa: S101 - a mistake in the test
            assert application is not None  # noqa: S101 - likewise
            names = tuple(scope.split())
            authorized = Authorized(
                subject=person.user_id,
                client_id=client,
                scope=names,
                grant_id=new_id(),
                session_id=new_id(),
                auth_time=self.clock(),
                amr=("pwd",),
                roles=person.roles,
                issue_refresh=OFFLINE_ACCESS in names,
                id_token=OPENID in names,
            )
            return self.app.issuer.issue(
                connection,
                msgspec.structs.replace(authorized, **changes),
                application,
                grant_type=AUTHORIZATION_CODE,
                resources=(),
                now=self.clock(),
            )

        answer: dict[str, Any] = msgspec.json.decode(await self.app.ledger.database.work(unit))
        return answer

    async def refresh(self, token: str, *, client: str = "cli-proj", **more: str) -> Response:
        """Use a refresh token as a public client."""
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client}
        return await self.post("/token", form | more)

    async def active(self, token: str) -> bool:
        """What introspection says to the resource server."""
        answer = await self.post("/introspect", {"token": token}, client="app-svc")
        active: bool = answer.json()["active"]
        return active

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a JWT, unverified."""
        payload = token.split(".")[1]
        found: dict[str, Any] = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return found

    def basic(self, client_id: str, secret: str = SECRET) -> dict[str, str]:
        """The header of client authentication, form-encoded as RFC 6749 section 2.3.1 says."""
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    async def events(self, name: str) -> list[Event]:
        """Published events whose contract class has this name, once nothing waits in the outbox."""
        nothing_waits: Callable[[], bool | Awaitable[bool]] = self._nothing_waits
        await eventually(nothing_waits)
        return [event for event in self.bus.events if type(event.data).__name__ == name]

    async def _nothing_waits(self) -> bool:
        return await self.app.relay.pending() == 0


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings with everything inside `folder`."""
    values: dict[str, Any] = {
        "issuer": ISSUER,
        "resource": RESOURCE,
        "database_url": f"sqlite:///{folder / 'auth.db'}",
        "secret_key_file": folder / "secret.key",
        "seed_file": folder / "seed.json",
    }
    return Settings(**(values | changes))


@asynccontextmanager
async def running_house(settings: Settings, clock: Clock) -> AsyncIterator[House]:
    """Start auth-svc in this process, and stop it."""
    bus, web = RecordingBus(), FakeWeb()
    app = create_app(settings, now=clock, bus=bus, outside=web.client())
    async with app.running(), http_client(base_url=settings.issuer, transport=ASGITransport(app)) as http:
        yield House(app, http, clock, bus, web)


class PageForm(HTMLParser):
    """The form of a page: where it goes, and its fields."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values["action"]
        elif tag == "input":
            self.fields[values["name"]] = values.get("value", "")


@dataclass
class Person:
    """Somebody with a browser of their own: follows redirects within the site, fills forms in, keeps cookies."""

    house: House
    http: AsyncClient
    page: Response = field(init=False, repr=False)
    """What the browser shows, or the redirect that leaves the site."""

    async def go(self, path: str, **params: str) -> Response:
        """Open an address, and follow redirects until they leave the site."""
        return await self.follow(await self.http.get(path, params=params or None))

    async def submit(self, **fields: str) -> Response:
        """Fill in and send the form of the page."""
        form = PageForm(self.page.text)
        return await self.follow(await self.http.post(self._absolute(form.action), data=form.fields | fields))

    async def follow(self, response: Response) -> Response:
        """Follow redirects as long as they stay on the site."""
        self.page = response
        while response.status_code == 303 and response.headers["location"].startswith("/"):
            self.page = response = await self.http.get(self._absolute(response.headers["location"]))
        return response

    def _absolute(self, reference: str) -> str:
        """As a browser reads an address on the page that it shows."""
        return urljoin(str(self.page.url), reference)

    async def sign_in(self, username: str, password: str = PASSWORD) -> Response:
        """Sign in: on the page that is shown if it asks for that, else from the start."""
        if not (hasattr(self, "page") and 'name="password"' in self.page.text):
            await self.go("/signin")
        return await self.submit(username=username, password=password)

    async def sign_out(self) -> Response:
        """Sign out by the page for it."""
        await self.go("/signout")
        return await self.submit()

    async def authorize(self, **params: str | None) -> Response:
        """Send an authorization request of cli-proj; None leaves a parameter out."""
        return await self.go("/authorize", **self.request(**params))

    async def push(self, *, client: str | None = None, **params: str | None) -> Response:
        """Push an authorization request of cli-proj to /par; with `client`, as that confidential client (Basic)."""
        form = self.request(**({"client_id": client} if client else {}), **params)
        return await self.house.post("/par", form, client=client)

    def request(self, **params: str | None) -> dict[str, str]:
        """The parameters of a good authorization request of cli-proj, with changes."""
        usual: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "cli-proj",
            "redirect_uri": LOOPBACK,
            "scope": "openid profile shipments:read",
            "state": "the state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | params).items() if value is not None}

    @property
    def answer(self) -> dict[str, str]:
        """The parameters that the redirect to the client carries.

        Raises:
            ValueError: no redirect, or a parameter came twice.
        """
        if self.page.status_code != 303:
            raise ValueError(self.page.text)
        pairs = parse_qs(urlsplit(self.page.headers["location"]).query, strict_parsing=True)
        if any(len(values) > 1 for values in pairs.values()):
            raise ValueError(self.page.headers["location"])
        return {name: values[0] for name, values in pairs.items()}

    async def code(self, username: str = "clara", **params: str | None) -> str:
        """Go the whole way: request, sign-in if asked, allow if asked; the code."""
        await self.authorize(**params)
        if 'name="password"' in self.page.text:
            await self.sign_in(username)
        if self.page.status_code != 303:
            await self.submit(decision="allow")
        return self.answer["code"]

    async def redeem(self, code: str, **changes: str) -> Response:
        """Exchange a code of cli-proj at /token; an empty change leaves a parameter out."""
        form = {
            "grant_type": AUTHORIZATION_CODE,
            "client_id": "cli-proj",
            "code": code,
            "redirect_uri": LOOPBACK,
            "code_verifier": VERIFIER,
        }
        return await self.http.post("/token", data={name: value for name, value in (form | changes).items() if value})

    async def at_the_shop(self, username: str = "clara") -> dict[str, Any]:
        """Sign in at the confidential client `web`, the whole way; what /token answers it."""
        scope = "openid offline_access shipments:read"
        code = await self.code(
            username, client_id="web", redirect_uri="https://shop.example/callback?of=shop", scope=scope
        )
        form = {"grant_type": AUTHORIZATION_CODE, "code": code, "code_verifier": VERIFIER}
        answer = await self.http.post("/token", data=form, headers=self.house.basic("web"))
        tokens: dict[str, Any] = answer.json()
        return tokens


@asynccontextmanager
async def browsing(house: House, *, address: str = "127.0.0.1") -> AsyncIterator[Person]:
    """Somebody at this address, with a fresh browser."""
    transport = ASGITransport(house.app, client=(address, 40000))
    async with http_client(base_url=house.app.settings.issuer, transport=transport) as http:
        yield Person(house, http)
