"""A client of the Model Context Protocol gets in (authorization, revision 2026-07-28), knowing only app-svc's address.

It follows the challenge to the resource's metadata, from there to the issuer's, and goes through the code flow with
PKCE and `resource`. Both services are real, on ports of their own; there is no bus, so app-svc asks about each token.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import uvicorn
from starlette.types import ASGIApp

import app_svc.settings
from app_svc.app import AppService
from auth_svc.testing import SECRET, SEED, House, Person, running_house, settings_in
from lib_one import http as web
from lib_one.sql import upgrade
from lib_one.testing import Clock, free_port

REDIRECT_URI = "http://127.0.0.1:53412/callback"
PLACE = {"name": "Rotterdam", "country": "Netherlands"}

type Metadata = dict[str, Any]
type Register = Callable[[Metadata], Awaitable[str]]


class McpClient:
    """What a client of the protocol does, by the book; where the book says MUST, it asserts."""

    def __init__(self, url: str, *, http: web.AsyncClient, person: Person, register: Register) -> None:
        self.url = url
        self.http = http
        self.person = person
        self.register = register
        self.as_url = False
        """Whether it writes the resource as its URL library does: an empty path as a slash."""
        self.client_id: str | None = None
        self.token: dict[str, Any] = {}
        self.asked: list[str] = []
        """The scope of each authorization request."""

    async def request(self, method: str, path: str, body: object = None) -> web.Response:
        """Send a request; follow its challenge once when nobody is signed in yet, and once more for more scope."""
        answer = await self._send(method, path, body)
        for _ in range(2):
            if answer.status_code in {401, 403}:
                scheme, _, parameters = answer.headers["www-authenticate"].partition(" ")
                assert scheme == "Bearer"
                await self._authorize(dict(re.findall(r'(\w+)="([^"]*)"', parameters)))
                answer = await self._send(method, path, body)
        return answer

    async def _send(self, method: str, path: str, body: object) -> web.Response:
        headers = {"Authorization": f"Bearer {self.token['access_token']}"} if self.token else {}
        return await self.http.request(method, f"{self.url}{path}", json=body, headers=headers)

    async def _authorize(self, challenge: dict[str, str]) -> None:
        resource = await self._json(challenge["resource_metadata"])
        assert resource["resource"] == self.url  # RFC 9728 section 3.3
        issuer = resource["authorization_servers"][0]
        metadata = await self._issuer_metadata(issuer)
        assert "S256" in metadata["code_challenge_methods_supported"]  # else it must not go on
        if self.client_id is None:
            self.client_id = await self.register(metadata)
        held = str(self.token.get("scope", "")).split()
        scope = " ".join(dict.fromkeys([*held, *challenge["scope"].split()]))
        self.asked.append(scope)
        target = resource["resource"] + ("/" if self.as_url else "")
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        challenge64 = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": scope,
            "state": state,
            "code_challenge": challenge64,
            "code_challenge_method": "S256",
            "resource": target,
        }
        location = await self._through_the_browser(f"{metadata['authorization_endpoint']}?{urlencode(query)}")
        assert location.startswith(f"{REDIRECT_URI}?")
        answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert answer["state"] == state
        assert metadata["authorization_response_iss_parameter_supported"] is True
        assert answer["iss"] == issuer  # RFC 9207 section 2.4
        exchanged = await self.http.post(
            metadata["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "client_id": self.client_id,
                "code": answer["code"],
                "redirect_uri": REDIRECT_URI,
                "code_verifier": verifier,
                "resource": target,
            },
        )
        assert exchanged.status_code == 200, exchanged.text
        self.token = exchanged.json()

    async def _issuer_metadata(self, issuer: str) -> Metadata:
        """The addresses in the order that the protocol wants them tried."""
        parts = urlsplit(issuer)
        root, path = f"{parts.scheme}://{parts.netloc}", parts.path
        tries = [
            f"{root}/.well-known/oauth-authorization-server{path}",
            f"{root}/.well-known/openid-configuration{path}",
            f"{issuer}/.well-known/openid-configuration",
        ]
        found = [await self._json(address) for address in tries]
        assert found[0] == found[1] == found[2]  # it would take the first; here all are there
        assert found[0]["issuer"] == issuer  # RFC 8414 section 3.3
        return found[0]

    async def _json(self, address: str) -> Metadata:
        answer = await self.http.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), address
        document: Metadata = answer.json()
        return document

    async def _through_the_browser(self, address: str) -> str:
        await self.person.go(address)
        if 'name="password"' in self.person.page.text:
            await self.person.sign_in("clara")
        if self.person.page.status_code != 303:
            await self.person.submit(decision="allow")
        return str(self.person.page.headers["location"])


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(application: ASGIApp, port: int, *, lifespan: str) -> AsyncIterator[None]:
    """The application on a real port of this machine."""
    config = uvicorn.Config(application, log_config=None, ws="none", lifespan=lifespan, timeout_graceful_shutdown=2)  # type: ignore[arg-type]
    server = _Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.005)
                assert not task.done()
            yield
        finally:
            server.should_exit = True
            await task


@contextlib.asynccontextmanager
async def services(folder: Path, *, path: str = "", **changes: Any) -> AsyncIterator[tuple[House, str]]:
    """auth-svc, its issuer with this path, and app-svc: the house, and the address of app-svc."""
    clock = Clock()
    auth_port, app_port = free_port(), free_port()
    issuer, app_url = f"http://127.0.0.1:{auth_port}{path}", f"http://127.0.0.1:{app_port}"
    (folder / "seed.json").write_text(json.dumps(SEED))
    (folder / "secret").write_text(SECRET)
    database = f"sqlite:///{folder / 'app.db'}"
    upgrade(database, package="app_svc")
    tracking = AppService(
        app_svc.settings.Settings(
            database_url=database,
            nats_url=f"nats://127.0.0.1:{free_port()}",
            issuer=issuer,
            resource=app_url,
            client_secret_file=folder / "secret",
        ),
        now=clock,
    )
    async with (
        running_house(settings_in(folder, issuer=issuer, resource=app_url, **changes), clock) as house,
        serving(house.app, auth_port, lifespan="off"),
        serving(tracking.api, app_port, lifespan="on"),
    ):
        yield house, app_url


async def registered_before(_metadata: Metadata) -> str:
    """The client and the authorization server know each other already."""
    return "cli-proj"


@pytest.mark.parametrize(("path", "as_url"), [("", True), ("/tenants/blue", False)])
async def test_client_that_knows_only_the_address_of_the_api_gets_in_mcp(
    tmp_path: Path, path: str, as_url: bool
) -> None:
    async with (
        services(tmp_path, path=path) as (house, app_url),
        web.client() as http,
        web.client() as browser,
    ):
        client = McpClient(app_url, http=http, person=Person(house, browser), register=registered_before)
        client.as_url = as_url
        found = await client.request("GET", "/shipments")
        assert found.status_code == 200, found.text
        assert client.asked == ["shipments:read"]  # no more than the challenge named
        assert house.claims(client.token["access_token"])["aud"] == app_url  # RFC 8707: for this API and no other

        shipment = {"reference": "MCP-1", "origin": PLACE, "destination": PLACE}
        made = await client.request("POST", "/shipments", shipment)
        assert made.status_code == 201, made.text
        assert client.asked == ["shipments:read", "shipments:read shipments:write"]  # what it had, and what was missing


async def test_client_that_nobody_knows_registers_itself_and_gets_in_mcp_rfc7591_3(tmp_path: Path) -> None:
    async with (
        services(tmp_path, registration="open") as (house, app_url),
        web.client() as http,
        web.client() as browser,
    ):

        async def itself(metadata: Metadata) -> str:
            about_me = {
                "client_name": "Notes",
                "application_type": "native",
                "redirect_uris": [REDIRECT_URI],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }
            answer = await http.post(metadata["registration_endpoint"], json=about_me)
            assert answer.status_code == 201, answer.text
            return str(answer.json()["client_id"])

        client = McpClient(app_url, http=http, person=Person(house, browser), register=itself)
        assert (await client.request("GET", "/shipments")).status_code == 200
        claims = house.claims(client.token["access_token"])
        assert (claims["client_id"], claims["aud"]) == (client.client_id, app_url)


async def test_client_whose_id_is_the_address_of_its_metadata_gets_in_mcp_client_id_metadata_document_4(
    tmp_path: Path,
) -> None:
    client_id = "https://notes.example/oauth/client.json"
    async with (
        services(tmp_path, client_id_metadata_documents=True) as (house, app_url),
        web.client() as http,
        web.client() as browser,
    ):
        document = {
            "client_id": client_id,
            "client_name": "Notes",
            # Without the port, which is another each time it runs (RFC 8252 section 7.3).
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        house.web[client_id] = web.Response(200, json=document)

        async def by_its_address(metadata: Metadata) -> str:
            assert metadata["client_id_metadata_document_supported"] is True
            assert "registration_endpoint" not in metadata  # no other way for a stranger
            return client_id

        client = McpClient(app_url, http=http, person=Person(house, browser), register=by_its_address)
        assert (await client.request("GET", "/shipments")).status_code == 200
        claims = house.claims(client.token["access_token"])
        assert (claims["client_id"], claims["aud"]) == (client_id, app_url)
        assert len(house.web.requests) == 1


async def test_token_for_another_resource_is_not_passed_on_mcp(tmp_path: Path) -> None:
    async with services(tmp_path) as (house, app_url), web.client() as http:
        token = (await house.tokens("clara", scope="openid profile"))["access_token"]
        refused = await http.get(f"{app_url}/shipments", headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 401
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
