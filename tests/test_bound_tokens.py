"""Bound tokens (RFC 9449), every part real: a session with a key, auth-svc and its pages, an API behind the guard."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import Depends, FastAPI

from auth_svc.testing import RESOURCE, SECRET, SEED, House, Person, browsing, running_house, settings_in
from lib_one import http as web
from lib_one.testing import Clock
from lib_two import code_flow
from lib_two.dpop import Prover
from lib_two.errors import OAuthError, SignInNeeded
from lib_two.fastapi import install, require
from lib_two.guard import Guard
from lib_two.oauth_client import OAuthClient
from lib_two.revocation import RevocationView
from lib_two.session import Session
from lib_two.token_store import TokenStore

SCOPE = "openid profile offline_access shipments:read"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An auth-svc that asks for nonces."""
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    async with running_house(settings_in(tmp_path, dpop_nonce="always"), Clock()) as running:
        yield running


@pytest.fixture
async def api(house: House) -> AsyncIterator[web.AsyncClient]:
    """An API that asks for nonces. It has no bus, so it asks auth-svc about every token."""
    guard = Guard(
        issuer=house.issuer,
        audience=RESOURCE,
        view=RevocationView(now=house.clock),
        http=house.http,
        client_id="app-svc",
        client_secret=SECRET,
        now=house.clock,
        nonce_key=b"the same in every process",
    )
    app = FastAPI()
    install(app, guard, resource=RESOURCE, issuer=house.issuer, scopes=("shipments:read",))
    app.add_api_route("/things", lambda: "thing", dependencies=[Depends(require("shipments:read"))])
    async with web.client(base_url=RESOURCE, transport=web.ASGITransport(app=app)) as client:
        yield client


@pytest.fixture
def make_session(house: House, api: web.AsyncClient, tmp_path: Path) -> Callable[[Prover | None], Session]:
    store = TokenStore(tmp_path / "tokens", keyring=False)

    def make(prover: Prover | None) -> Session:
        def oauth() -> OAuthClient:
            return OAuthClient(house.issuer, "cli-proj", http=house.http, now=house.clock, prover=prover)

        return Session(house.issuer, "cli-proj", store, now=house.clock, http=api, oauth=oauth)

    return make


@pytest.fixture
async def person(house: House) -> AsyncIterator[Person]:
    async with browsing(house) as somebody:
        yield somebody


def browser_of(person: Person) -> Callable[[str], bool]:
    """A browser in which Clara goes the whole way."""
    loop = asyncio.get_running_loop()

    async def walk(url: str) -> bool:
        page = await person.go(url)
        if 'name="password"' in page.text:
            page = await person.sign_in("clara")
        if page.status_code != 303:
            page = await person.submit(decision="allow")
        async with web.client() as to_the_listener:
            await to_the_listener.get(page.headers["location"])
        return True

    return lambda url: asyncio.run_coroutine_threadsafe(walk(url), loop).result()


async def test_bound_session_signs_in_calls_refreshes_and_calls_again(
    make_session: Callable[[Prover | None], Session], person: Person, house: House, api: web.AsyncClient
) -> None:
    """RFC 9449 sections 5, 7.1, 8, 9 and 10: code, tokens and refresh tokens are bound, nonces are followed."""
    session = make_session(Prover.new())
    tokens = await code_flow.sign_in(session.oauth, scope=SCOPE, open_browser=browser_of(person))
    assert tokens.token_type == "DPoP"
    session.keep(tokens)
    assert (await session.request("GET", "/things?a=b")).status_code == 200
    assert (await session.oauth.userinfo(tokens.access_token))["preferred_username"] == "clara"
    stolen = await api.get("/things", headers={"Authorization": f"Bearer {tokens.access_token}"})
    assert stolen.status_code == 401

    # Another process finds the key with the tokens; nonces have changed meanwhile.
    house.clock.advance(timedelta(minutes=11))
    again = make_session(None)
    assert (await again.request("GET", "/things")).status_code == 200
    assert (await again.access_token()) != tokens.access_token


async def test_stolen_refresh_token_is_worthless_without_the_key(
    make_session: Callable[[Prover | None], Session], person: Person, house: House
) -> None:
    """RFC 9449 section 5: refresh tokens of public clients are bound."""
    session = make_session(Prover.new())
    tokens = await code_flow.sign_in(session.oauth, scope=SCOPE, open_browser=browser_of(person))
    assert tokens.refresh_token is not None
    for prover in (None, Prover.new()):
        thief = OAuthClient(house.issuer, "cli-proj", http=house.http, now=house.clock, prover=prover)
        with pytest.raises(OAuthError) as refused:
            await thief.refresh(tokens.refresh_token)
        assert refused.value.code == "invalid_grant"
    session.keep(tokens)
    house.clock.advance(timedelta(minutes=11))
    assert (await session.request("GET", "/things")).status_code == 200


async def test_revoked_bound_session_ends_like_any_other(
    make_session: Callable[[Prover | None], Session], person: Person
) -> None:
    session = make_session(Prover.new())
    session.keep(await code_flow.sign_in(session.oauth, scope=SCOPE, open_browser=browser_of(person)))
    await session.sign_out()
    with pytest.raises(SignInNeeded):
        await session.request("GET", "/things")
