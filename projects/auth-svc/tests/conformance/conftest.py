"""auth-svc on a real port, for clients that others wrote, and somebody with a browser."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import jwskate
import pytest
import uvicorn

from auth_svc.app import create_app
from auth_svc.testing import PASSWORD, SECRET, SEED, PageForm, settings_in
from lib_one.testing import RecordingBus, free_port

REDIRECT_URI = "https://rp.example/callback"
SCOPE = "openid profile email offline_access shipments:read"
RELYING_PARTY = {
    "client_id": "relying-party",
    "client_name": "Relying party",
    "secret": SECRET,
    "grant_types": [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
    ],
    "scope": f"{SCOPE} shipments:write",
    "redirect_uris": [REDIRECT_URI],
    "id_token_signed_response_alg": "RS256",
}

BANK_KEY = jwskate.Jwk.generate(alg="PS256").with_kid_thumbprint()
BANK = {
    "client_id": "bank",
    "client_name": "Bank",
    "profile": "fapi2",
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [BANK_KEY.public_jwk().to_dict()]},
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": SCOPE,
    "redirect_uris": [REDIRECT_URI],
    "id_token_signed_response_alg": "PS256",
}
"""A client of the FAPI 2.0 Security Profile."""

ALL_ROUND_KEY = jwskate.Jwk.generate(alg="ES256").with_kid_thumbprint()
ALL_ROUND = {
    "client_id": "all-round",
    "client_name": "All-rounder",
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [ALL_ROUND_KEY.public_jwk().to_dict()]},
    "grant_types": [
        "authorization_code",
        "urn:openid:params:grant-type:ciba",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ],
    "scope": f"{SCOPE} shipments:write",
    "redirect_uris": [REDIRECT_URI],
    "id_token_signed_response_alg": "ES256",
}
"""A client with a key that uses whatever there is."""


@dataclass
class Installation:
    """A running auth-svc, as a client knows it."""

    issuer: str
    client_id: str = "relying-party"
    client_secret: str = SECRET
    redirect_uri: str = REDIRECT_URI
    scope: str = SCOPE
    bank_key: jwskate.Jwk = field(default_factory=lambda: BANK_KEY)
    """What the client `bank` proves who it is with."""

    all_round_key: jwskate.Jwk = field(default_factory=lambda: ALL_ROUND_KEY)
    """What the client `all-round` proves who it is with, and signs its requests with."""

    @property
    def discovery(self) -> str:
        """Where an OpenID client begins."""
        return f"{self.issuer}/.well-known/openid-configuration"


@dataclass
class Browser:
    """Somebody who signs in and answers the consent page, in a browser that keeps cookies and runs no scripts."""

    issuer: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30))

    def walk(self, url: str, *, username: str = "clara", decision: str = "allow") -> str:
        """Go where `url` leads, and return the address at which the client is answered."""
        page = self.http.get(url)
        for _ in range(8):
            if page.status_code == 303:
                location = page.headers["location"]
                if not location.startswith("/"):
                    return location
                page = self.http.get(f"{self.issuer}{location}")
                continue
            form = PageForm(page.text)
            filled = {"username": username, "password": PASSWORD} if "password" in form.fields else {}
            answers = filled or {"decision": decision}
            page = self.http.post(f"{self.issuer}{form.action}", data=form.fields | answers)
        raise AssertionError(page.text)

    def allow_waiting(self) -> str:
        """Allow the last request of the page of what waits, and return that page."""
        page = self.http.get(f"{self.issuer}/requests")
        while page.status_code == 303 or "password" in PageForm(page.text).fields:
            if page.status_code == 303:
                page = self.http.get(f"{self.issuer}{page.headers['location']}")
            else:
                form = PageForm(page.text)
                answers = {"username": "clara", "password": PASSWORD}
                page = self.http.post(f"{self.issuer}{form.action}", data=form.fields | answers)
        form = PageForm(page.text)
        self.http.post(f"{self.issuer}{form.action}", data=form.fields | {"decision": "allow"})
        return page.text

    def approve_device(self, user_code: str) -> None:
        """Enter the code of a device and allow it what it asks for."""
        page = self.http.get(f"{self.issuer}/device")
        for _ in range(8):
            if page.status_code == 303:
                page = self.http.get(f"{self.issuer}{page.headers['location']}")
                continue
            form = PageForm(page.text)
            if "password" in form.fields:
                answers = {"username": "clara", "password": PASSWORD}
            elif "user_code" in form.fields and 'value="allow"' not in page.text:
                answers = {"user_code": user_code}
            elif 'value="allow"' in page.text:
                answers = {"decision": "allow"}
            else:
                return
            page = self.http.post(f"{self.issuer}{form.action}", data=form.fields | answers)
        raise AssertionError(page.text)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """auth-svc behind a real server in a thread; all tests of this folder share it."""
    folder = tmp_path_factory.mktemp("conformance")
    seed = SEED | {"clients": [*SEED["clients"], RELYING_PARTY, BANK, ALL_ROUND]}
    (folder / "seed.json").write_text(json.dumps(seed))
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    settings = settings_in(folder, issuer=issuer, port=port)
    servers: list[uvicorn.Server] = []
    started = threading.Event()

    async def serve() -> None:
        config = uvicorn.Config(create_app(settings, bus=RecordingBus()), port=port, log_config=None)
        server = uvicorn.Server(config)
        servers.append(server)
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        started.set()
        await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(60)
    yield Installation(issuer)
    servers[0].should_exit = True
    thread.join(60)


@pytest.fixture
def browser(installation: Installation) -> Iterator[Browser]:
    """Somebody with a fresh browser."""
    somebody = Browser(installation.issuer)
    with somebody.http:
        yield somebody
