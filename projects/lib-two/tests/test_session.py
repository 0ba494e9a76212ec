"""Sessions: a token when one is needed, one refresh at a time, and requests that survive a refused token."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lib_one import http as web
from lib_one.testing import Clock
from lib_two.errors import ApiError, IssuerUnavailable, OAuthError, SignInNeeded, StepUpNeeded, StoreError
from lib_two.session import ClientSession, Session
from lib_two.testing import FakeIssuer
from lib_two.token_store import TokenSet, TokenStore

CLIENT = "cli-proj"
SCOPE = "offline_access shipments:read"


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens", keyring=False)


class Api:
    """An API that takes the tokens it is told to take."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.tokens: list[str] = []
        self.answer = web.Response(200, json={"ok": True})

    def respond(self, request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.tokens.append(token)
        if token in self.refused:
            return web.Response(401, json={"title": "Unauthorized", "status": 401})
        return self.answer


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def session(issuer: FakeIssuer, store: TokenStore, clock: Clock, api: Api) -> AsyncIterator[Session]:
    async with (
        web.client(base_url="http://api", transport=web.MockTransport(api.respond)) as http,
        Session(issuer.url, CLIENT, store, now=clock, http=http) as session,
    ):
        yield session


def signed_in(issuer: FakeIssuer, clock: Clock, *, life: timedelta = timedelta(minutes=10), **changes: Any) -> TokenSet:
    values: dict[str, Any] = {
        "access_token": issuer.mint(issuer.subject, SCOPE),
        "token_type": "Bearer",
        "expires_at": clock() + life,
        "scope": SCOPE,
        "refresh_token": issuer.refresh_token(CLIENT, SCOPE),
        **changes,
    }
    return TokenSet(**values)


async def test_without_tokens_somebody_must_sign_in(session: Session) -> None:
    with pytest.raises(SignInNeeded, match="not signed in"):
        await session.access_token()


async def test_living_token_is_given_without_the_issuer(session: Session, issuer: FakeIssuer, clock: Clock) -> None:
    tokens = signed_in(issuer, clock)
    session.keep(tokens)
    assert await session.access_token() == tokens.access_token
    assert not issuer.requests


async def test_token_with_little_life_left_is_refreshed_and_kept(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(old := signed_in(issuer, clock))
    clock.advance(timedelta(minutes=9, seconds=31))
    fresh = await session.access_token()
    assert fresh != old.access_token
    kept = store.load(issuer.url, CLIENT)
    assert kept is not None
    assert (kept.access_token, kept.refresh_token != old.refresh_token) == (fresh, True)
    assert await session.access_token() == fresh
    assert issuer.requests["/token"] == 1


async def test_many_tasks_refresh_once(session: Session, issuer: FakeIssuer, clock: Clock) -> None:
    session.keep(signed_in(issuer, clock, life=timedelta(0)))
    tokens = await asyncio.gather(*(session.access_token() for _ in range(30)))
    assert len(set(tokens)) == 1
    assert issuer.requests["/token"] == 1


async def test_several_sessions_in_one_process_refresh_once(
    issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    store.save(issuer.url, CLIENT, signed_in(issuer, clock, life=timedelta(0)))
    sessions = [Session(issuer.url, CLIENT, TokenStore(store.directory, keyring=False), now=clock) for _ in range(4)]
    tokens = await asyncio.gather(*(session.access_token() for session in sessions))
    for session in sessions:
        await session.aclose()
    assert len(set(tokens)) == 1
    assert issuer.requests["/token"] == 1


PROCESS = """
import asyncio, pathlib, sys
from lib_two.session import Session
from lib_two.token_store import TokenStore

async def main():
    store = TokenStore(pathlib.Path(sys.argv[1]), keyring=False)
    async with Session(sys.argv[2], sys.argv[3], store) as session:
        session.oauth  # loads what is slow, so that all come to the lock together
        print("ready", flush=True)
        sys.stdin.readline()
        print(await session.access_token())

asyncio.run(main())
"""


def test_many_processes_refresh_exactly_once(store: TokenStore) -> None:
    with FakeIssuer() as issuer:
        store.save(issuer.url, CLIENT, signed_in(issuer, issuer._now, life=timedelta(minutes=-1)))  # type: ignore[arg-type]
        command = [sys.executable, "-c", PROCESS, str(store.directory), issuer.url, CLIENT]
        processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(5)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        tokens = [process.communicate(timeout=60)[0].strip() for process in processes]
        assert all(process.returncode == 0 for process in processes)
        assert len(set(tokens)) == 1
        assert issuer.requests["/token"] == 1


async def test_refused_refresh_forgets_the_session_and_asks_to_sign_in(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(signed_in(issuer, clock, life=timedelta(0), refresh_token="revoked"))
    with pytest.raises(SignInNeeded, match="revoked"):
        await session.access_token()
    assert store.load(issuer.url, CLIENT) is None


async def test_other_refusals_keep_the_session(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(signed_in(issuer, clock, life=timedelta(0)))
    issuer.refusal = "temporarily_unavailable"
    with pytest.raises(OAuthError):
        await session.access_token()
    assert store.load(issuer.url, CLIENT) is not None


async def test_issuer_that_is_away_keeps_the_session_and_a_living_token_in_use(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(tokens := signed_in(issuer, clock))
    issuer.stop()
    clock.advance(timedelta(minutes=9, seconds=45))
    assert await session.access_token() == tokens.access_token
    clock.advance(timedelta(minutes=1))
    with pytest.raises(IssuerUnavailable):
        await session.access_token()
    assert store.load(issuer.url, CLIENT) == tokens


async def test_session_without_refresh_token_ends_with_its_token(
    session: Session, issuer: FakeIssuer, clock: Clock
) -> None:
    session.keep(signed_in(issuer, clock, refresh_token=None))
    assert await session.access_token()
    clock.advance(timedelta(minutes=11))
    with pytest.raises(SignInNeeded, match="has ended"):
        await session.access_token()


async def test_cancelled_asker_does_not_lose_the_rotated_refresh_token(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(old := signed_in(issuer, clock, life=timedelta(0)))
    asking = asyncio.create_task(session.access_token())
    while not issuer.requests["/token"]:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await session.access_token() != old.access_token
    assert issuer.requests["/token"] == 1


async def test_closing_waits_for_a_refresh_under_way(issuer: FakeIssuer, clock: Clock, store: TokenStore) -> None:
    old = signed_in(issuer, clock, life=timedelta(0))
    async with Session(issuer.url, CLIENT, store, now=clock) as session:
        session.keep(old)
        asking = asyncio.create_task(session.access_token())
        while not issuer.requests["/token"]:
            await asyncio.sleep(0)
        asking.cancel()
    kept = store.load(issuer.url, CLIENT)
    assert kept is not None
    assert kept.refresh_token != old.refresh_token


async def test_request_carries_the_token(session: Session, issuer: FakeIssuer, clock: Clock, api: Api) -> None:
    session.keep(tokens := signed_in(issuer, clock))
    response = await session.request("GET", "/shipments", params={"limit": 1}, headers={"X-Test": "1"})
    assert response.json() == {"ok": True}
    assert api.tokens == [tokens.access_token]


async def test_refused_token_is_refreshed_once_and_the_request_repeated(
    session: Session, issuer: FakeIssuer, clock: Clock, api: Api
) -> None:
    session.keep(tokens := signed_in(issuer, clock))
    api.refused.add(tokens.access_token)
    assert (await session.request("POST", "/shipments", json={})).status_code == 200
    assert len(api.tokens) == 2
    assert issuer.requests["/token"] == 1


async def test_second_refusal_is_told_and_not_tried_again(session: Session, issuer: FakeIssuer, clock: Clock) -> None:
    asked: list[str] = []

    def never(request: web.Request) -> web.Response:
        asked.append(request.url.path)
        return web.Response(401, headers={"Content-Type": "application/problem+json"}, json={"title": "No"})

    session.keep(signed_in(issuer, clock))
    async with web.client(base_url="http://api", transport=web.MockTransport(never)) as http:
        session._http = http
        with pytest.raises(ApiError) as caught:
            await session.request("GET", "/shipments")
    assert caught.value.status == 401
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("challenge", "max_age", "acr_values"),
    [
        ('Bearer error="insufficient_user_authentication", max_age="60"', 60, ()),
        ('Bearer realm="x", error="insufficient_user_authentication", acr_values="a b"', None, ("a", "b")),
        ('DPoP algs="ES256", error="insufficient_user_authentication", max_age=5', 5, ()),
        ('Bearer error="insufficient_user_authentication", max_age="-1", acr_values=""', None, ()),
        ('Bearer error="insufficient_user_authentication", max_age="٣"', None, ()),
    ],
)
async def test_step_up_is_told_and_no_token_is_spent_on_it_rfc9470_3(
    session: Session,
    issuer: FakeIssuer,
    clock: Clock,
    api: Api,
    challenge: str,
    max_age: int | None,
    acr_values: tuple[str, ...],
) -> None:
    session.keep(signed_in(issuer, clock))
    api.answer = web.Response(401, headers={"WWW-Authenticate": challenge.encode()})
    with pytest.raises(StepUpNeeded) as caught:
        await session.request("DELETE", "/shipments")
    assert (caught.value.max_age, caught.value.acr_values) == (max_age, acr_values)
    assert len(api.tokens) == 1
    assert issuer.requests["/token"] == 0


@pytest.mark.parametrize(
    ("response", "status", "words"),
    [
        (web.Response(409, json={"title": "Conflict", "detail": "Delivered."}), 409, "Conflict: Delivered."),
        (web.Response(422, json={"detail": [{"loc": ["q"]}]}), 422, "Unprocessable Entity: [{'loc': ['q']}]"),
        (web.Response(500, text="oops"), 500, "Internal Server Error"),
        (web.Response(404, content=b"{", headers={"Content-Type": "application/json"}), 404, "Not Found"),
        (web.Response(400, json=["x"]), 400, "Bad Request"),
    ],
)
async def test_refusals_of_the_api_become_errors(
    session: Session, issuer: FakeIssuer, clock: Clock, api: Api, response: web.Response, status: int, words: str
) -> None:
    """RFC 9457, and answers that are not quite that."""
    session.keep(signed_in(issuer, clock))
    api.answer = response
    with pytest.raises(ApiError) as caught:
        await session.request("GET", "/shipments")
    assert (caught.value.status, str(caught.value)) == (status, words)


async def test_signing_out_revokes_then_forgets(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(tokens := signed_in(issuer, clock))
    await session.sign_out()
    assert issuer.requests["/revoke"] == 1
    assert store.load(issuer.url, CLIENT) is None
    with pytest.raises(SignInNeeded):
        await session.access_token()
    with pytest.raises(OAuthError):
        await session.oauth.refresh(str(tokens.refresh_token))


async def test_signing_out_forgets_even_if_the_issuer_is_away(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(signed_in(issuer, clock))
    issuer.stop()
    with pytest.raises(IssuerUnavailable):
        await session.sign_out()
    assert store.load(issuer.url, CLIENT) is None


async def test_signing_out_during_a_refresh_leaves_nothing_behind(
    issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    store.save(issuer.url, CLIENT, signed_in(issuer, clock, life=timedelta(0)))
    async with (
        Session(issuer.url, CLIENT, store, now=clock) as one,
        Session(issuer.url, CLIENT, store, now=clock) as other,
    ):
        await one.oauth.metadata.document()
        refreshing = asyncio.create_task(one.access_token())
        await asyncio.sleep(0)
        await other.sign_out()
        await asyncio.wait({refreshing})
        refreshing.exception()
    assert store.load(issuer.url, CLIENT) is None
    assert not [right for name, right in issuer._rights.items() if name not in issuer._used]


async def test_signing_out_of_nothing_is_nothing(session: Session, issuer: FakeIssuer) -> None:
    await session.sign_out()
    assert not issuer.requests


async def test_damaged_store_can_be_signed_out_of(
    session: Session, issuer: FakeIssuer, clock: Clock, store: TokenStore
) -> None:
    session.keep(signed_in(issuer, clock))
    for path in store.directory.glob("*.tokens"):
        path.write_bytes(b"damaged")
    with pytest.raises(StoreError):
        await session.sign_out()
    assert store.load(issuer.url, CLIENT) is None


@pytest.fixture
async def machine(issuer: FakeIssuer, clock: Clock, api: Api) -> AsyncIterator[ClientSession]:
    async with (
        web.client(base_url="http://api", transport=web.MockTransport(api.respond)) as http,
        ClientSession(
            issuer.url, "simulator", "simulator-secret", scope="shipments:scan", now=clock, http=http
        ) as machine,
    ):
        yield machine


async def test_machine_gets_one_token_for_all_and_a_new_one_in_time(
    machine: ClientSession, issuer: FakeIssuer, clock: Clock
) -> None:
    first = set(await asyncio.gather(*(machine.access_token() for _ in range(10))))
    assert len(first) == 1
    clock.advance(timedelta(minutes=9, seconds=31))
    assert await machine.access_token() not in first
    assert issuer.requests["/token"] == 2


async def test_machine_replaces_a_refused_token_once_for_all_tasks(
    machine: ClientSession, issuer: FakeIssuer, api: Api
) -> None:
    api.refused.add(await machine.access_token())
    responses = await asyncio.gather(*(machine.request("GET", "/x") for _ in range(5)))
    assert {response.status_code for response in responses} == {200}
    assert issuer.requests["/token"] == 2
