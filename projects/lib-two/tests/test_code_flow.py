"""Sign-in by loopback redirect: PKCE, state, iss, and a listener that strays cannot disturb (RFC 8252, 7636, 9207)."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lib_one import http as web
from lib_one.testing import Clock, eventually
from lib_two.code_flow import sign_in
from lib_two.errors import IssuerUnavailable, NoBrowser, OAuthError
from lib_two.oauth_client import OAuthClient
from lib_two.testing import FakeIssuer

SCOPE = "openid offline_access shipments:read"


@pytest.fixture
async def client(issuer: FakeIssuer, clock: Clock) -> AsyncIterator[OAuthClient]:
    async with OAuthClient(issuer.url, "cli-proj", now=clock) as client:
        yield client


class Browser:
    """Follows the redirect like a browser, after `detour` had its way with the address it leads to."""

    def __init__(self, detour: Callable[[str], list[str]] = lambda url: [url]) -> None:
        self.asked: dict[str, str] = {}
        self.pages: list[web.Response] = []
        self._detour = detour
        self._closed = threading.Event()

    def __call__(self, url: str) -> bool:
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        try:
            asyncio.run(self._go(url))
        finally:
            self._closed.set()
        return True

    async def page(self) -> web.Response:
        """What it shows in the end. The program may be done before the browser has it."""
        await eventually(self._closed.is_set)
        return self.pages[-1]

    async def _go(self, url: str) -> None:
        async with web.client() as http:
            answer = await http.get(url)
            for stop in self._detour(answer.headers["Location"]):
                self.pages.append(await http.get(stop))


async def test_sign_in_gives_tokens_and_a_page_that_says_so(client: OAuthClient, issuer: FakeIssuer) -> None:
    browser = Browser()
    tokens = await sign_in(client, scope=SCOPE, open_browser=browser, timeout=60)
    assert tokens.refresh_token
    assert tokens.id_token
    assert tokens.scope == SCOPE
    assert browser.asked["code_challenge_method"] == "S256"
    assert len(browser.asked["state"]) >= 43
    redirect = urlsplit(browser.asked["redirect_uri"])
    assert (redirect.scheme, redirect.hostname, redirect.path) == ("http", "127.0.0.1", "/callback")
    page = await browser.page()
    assert page.status_code == 200
    assert "You are signed in" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "code=" not in page.text
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", redirect.port or 0)) != 0  # nobody listens any more


async def test_each_sign_in_has_its_own_secrets(client: OAuthClient) -> None:
    first, second = Browser(), Browser()
    await sign_in(client, scope=SCOPE, open_browser=first, timeout=60)
    await sign_in(client, scope=SCOPE, open_browser=second, timeout=60)
    for name in ("state", "code_challenge", "nonce"):
        assert first.asked[name] != second.asked[name]


async def test_strays_are_answered_and_do_not_end_the_wait(client: OAuthClient) -> None:
    def detour(url: str) -> list[str]:
        base = url.split("/callback")[0]
        return [
            f"{base}/favicon.ico",
            f"{base}/",
            f"{base}/callback",
            f"{base}/callback?code=forged&state=wrong",
            f"{base}/callback?error=access_denied&state=",
            f"{url}&state=twice",
            f"{base}/callback?" + "&".join(f"a{n}=1" for n in range(80)),
            f"{base}/callback?state=%ff",
            url,
        ]

    browser = Browser(detour)
    assert await sign_in(client, scope=SCOPE, open_browser=browser, timeout=60)
    await browser.page()
    assert [page.status_code for page in browser.pages] == [404, 404, 400, 400, 400, 400, 400, 400, 200]


async def test_only_the_first_callback_counts(client: OAuthClient) -> None:
    pages: list[web.Response] = []

    async def twice(url: str) -> None:
        async with web.client() as http:
            back = (await http.get(url)).headers["Location"]
            pages.extend(await asyncio.gather(http.get(back), http.get(back)))

    await sign_in(client, scope=SCOPE, open_browser=lambda url: asyncio.run(twice(url)) is None, timeout=60)
    await eventually(lambda: len(pages) == 2)
    assert sorted(page.status_code for page in pages) == [200, 409]


@pytest.mark.parametrize(
    "noise", [b"", b"\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n", b"A" * 40_000, b"POST /callback HTTP/1.1\r\n\r\n"]
)
async def test_noise_on_the_port_does_not_end_the_wait(client: OAuthClient, noise: bytes) -> None:
    def detour(url: str) -> list[str]:
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0)) as probe:
            probe.sendall(noise)
        return [url]

    assert await sign_in(client, scope=SCOPE, open_browser=Browser(detour), timeout=60)


async def test_refusal_of_the_issuer_is_told_on_both_sides(client: OAuthClient, issuer: FakeIssuer) -> None:
    issuer.refusal = "access_denied"
    browser = Browser()
    with pytest.raises(OAuthError) as caught:
        await sign_in(client, scope=SCOPE, open_browser=browser, timeout=60)
    assert caught.value.code == "access_denied"
    page = await browser.page()
    assert page.status_code == 400
    assert "You are not signed in" in page.text


async def test_words_of_a_stranger_are_escaped_on_the_page(client: OAuthClient, issuer: FakeIssuer) -> None:
    issuer.refusal = "<script>alert(1)</script>"
    browser = Browser()
    with pytest.raises(OAuthError):
        await sign_in(client, scope=SCOPE, open_browser=browser, timeout=60)
    page = await browser.page()
    assert "<script" not in page.text
    assert "&lt;script" in page.text


@pytest.mark.parametrize("iss", [None, "https://other.example"])
async def test_answer_of_another_issuer_is_not_taken(client: OAuthClient, issuer: FakeIssuer, iss: str | None) -> None:
    """RFC 9207 section 2.4: mix-up."""

    def detour(url: str) -> list[str]:
        stripped = url.split("&iss=")[0] + "&code=" + parse_qs(urlsplit(url).query)["code"][0]
        return [stripped if iss is None else f"{stripped}&iss={iss}"]

    with pytest.raises(OAuthError, match="another issuer"):
        await sign_in(client, scope=SCOPE, open_browser=Browser(detour), timeout=60)
    assert issuer.requests["/token"] == 0


async def test_issuer_that_does_not_send_iss_is_taken_without(client: OAuthClient, issuer: FakeIssuer) -> None:
    issuer.metadata = {"authorization_response_iss_parameter_supported": False}

    def detour(url: str) -> list[str]:
        query = parse_qs(urlsplit(url).query)
        return [f"{url.split('?')[0]}?state={query['state'][0]}&code={query['code'][0]}"]

    assert await sign_in(client, scope=SCOPE, open_browser=Browser(detour), timeout=60)


async def test_issuer_without_pkce_is_not_used(client: OAuthClient, issuer: FakeIssuer) -> None:
    """RFC 9700 section 2.1.1."""
    issuer.metadata = {"code_challenge_methods_supported": ["plain"]}
    with pytest.raises(IssuerUnavailable, match="S256"):
        await sign_in(client, scope=SCOPE, open_browser=Browser(), timeout=60)


async def test_code_that_fails_is_told_in_the_browser_too(client: OAuthClient, issuer: FakeIssuer) -> None:
    def detour(url: str) -> list[str]:
        return [url.replace("code=", "code=x")]

    browser = Browser(detour)
    with pytest.raises(OAuthError):
        await sign_in(client, scope=SCOPE, open_browser=browser, timeout=60)
    assert "You are not signed in" in (await browser.page()).text


async def test_without_a_browser_the_device_flow_is_named(client: OAuthClient) -> None:
    with pytest.raises(NoBrowser, match="device"):
        await sign_in(client, scope=SCOPE, open_browser=lambda url: False, timeout=60)


async def test_fault_of_the_opener_is_not_swallowed(client: OAuthClient) -> None:
    def broken(url: str) -> bool:
        raise RuntimeError("no display")

    with pytest.raises(RuntimeError, match="no display"):
        await sign_in(client, scope=SCOPE, open_browser=broken, timeout=60)


async def test_time_out_ends_the_wait(client: OAuthClient) -> None:
    with pytest.raises(OAuthError) as caught:
        await sign_in(client, scope=SCOPE, open_browser=lambda url: True, timeout=0.05)
    assert caught.value.code == "expired_token"


async def test_nonce_of_another_sign_in_is_refused(client: OAuthClient, issuer: FakeIssuer) -> None:
    real: Any = issuer.mint_id_token
    issuer.mint_id_token = lambda client_id, **claims: real(client_id, **{**claims, "nonce": "old"})  # type: ignore[method-assign]
    with pytest.raises(OAuthError, match="ID token"):
        await sign_in(client, scope=SCOPE, open_browser=Browser(), timeout=60)
