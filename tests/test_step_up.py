"""Step-up authentication (RFC 9470), every part real: an API behind the guard, a session, auth-svc and its pages."""

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
from lib_two.errors import OAuthError, StepUpNeeded
from lib_two.fastapi import install, require
from lib_two.guard import Guard
from lib_two.oauth_client import OAuthClient
from lib_two.revocation import RevocationView
from lib_two.session import Session
from lib_two.token_store import TokenStore

SCOPE = "openid offline_access shipments:read shipments:write"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    async with running_house(settings_in(tmp_path), Clock()) as running:
        yield running


@pytest.fixture
async def api(house: House) -> AsyncIterator[web.AsyncClient]:
    """An API that is careful with deletions. It has no bus, so it asks auth-svc about every token."""
    guard = Guard(
        issuer=house.issuer,
        audience=RESOURCE,
        view=RevocationView(now=house.clock),
        http=house.http,
        client_id="app-svc",
        client_secret=SECRET,
        now=house.clock,
    )
    app = FastAPI()
    install(app, guard, resource=RESOURCE, issuer=house.issuer, scopes=("shipments:write",))
    recent = require("shipments:write", max_age=timedelta(minutes=5))
    strong = require("shipments:write", acr_values=("phr",))
    app.add_api_route("/recent", lambda: None, methods=["DELETE"], dependencies=[Depends(recent)])
    app.add_api_route("/strong", lambda: None, methods=["DELETE"], dependencies=[Depends(strong)])
    async with web.client(base_url=RESOURCE, transport=web.ASGITransport(app=app)) as client:
        yield client


@pytest.fixture
async def session(house: House, api: web.AsyncClient, tmp_path: Path) -> AsyncIterator[Session]:
    store = TokenStore(tmp_path / "tokens", keyring=False)

    def oauth() -> OAuthClient:
        return OAuthClient(house.issuer, "cli-proj", http=house.http, now=house.clock)

    async with Session(house.issuer, "cli-proj", store, now=house.clock, http=api, oauth=oauth) as session:
        yield session


@pytest.fixture
async def person(house: House) -> AsyncIterator[Person]:
    async with browsing(house) as somebody:
        yield somebody


def browser_of(person: Person, passwords: list[str]) -> Callable[[str], bool]:
    """A browser in which Clara goes the whole way; each time that she types her password it is noted."""
    loop = asyncio.get_running_loop()

    async def walk(url: str) -> bool:
        page = await person.go(url)
        if 'name="password"' in page.text:
            passwords.append("typed")
            page = await person.sign_in("clara")
        if page.status_code != 303:
            page = await person.submit(decision="allow")
        async with web.client() as to_the_listener:
            await to_the_listener.get(page.headers["location"])
        return True

    return lambda url: asyncio.run_coroutine_threadsafe(walk(url), loop).result()


async def test_old_sign_in_is_asked_again_and_then_the_call_passes(
    session: Session, person: Person, house: House
) -> None:
    passwords: list[str] = []
    browser = browser_of(person, passwords)
    session.keep(await code_flow.sign_in(session.oauth, scope=SCOPE, open_browser=browser))
    assert (await session.request("DELETE", "/recent")).status_code == 200
    house.clock.advance(timedelta(minutes=6))
    with pytest.raises(StepUpNeeded) as needed:
        await session.request("DELETE", "/recent")
    assert needed.value.max_age == 300
    again = await code_flow.sign_in(
        session.oauth,
        scope=SCOPE,
        open_browser=browser,
        max_age=needed.value.max_age,
        acr_values=needed.value.acr_values,
    )
    session.keep(again)
    assert (await session.request("DELETE", "/recent")).status_code == 200
    assert len(passwords) == 2


async def test_refresh_makes_no_sign_in_younger(session: Session, person: Person, house: House) -> None:
    session.keep(await code_flow.sign_in(session.oauth, scope=SCOPE, open_browser=browser_of(person, [])))
    house.clock.advance(timedelta(minutes=11))  # the access token has expired as well
    with pytest.raises(StepUpNeeded):
        await session.request("DELETE", "/recent")


async def test_kind_of_sign_in_that_there_is_not_ends_at_the_issuer(session: Session, person: Person) -> None:
    """RFC 9470 section 5: a token that the API would refuse again must not be issued."""
    browser = browser_of(person, [])
    session.keep(await code_flow.sign_in(session.oauth, scope=SCOPE, open_browser=browser))
    with pytest.raises(StepUpNeeded) as needed:
        await session.request("DELETE", "/strong")
    with pytest.raises(OAuthError) as refused:
        await code_flow.sign_in(
            session.oauth, scope=SCOPE, open_browser=browser, acr_values=needed.value.acr_values, timeout=30
        )
    assert refused.value.code == "unmet_authentication_requirements"
