"""The guard: no I/O for a seen token while the view is fresh; asks when it is not; never accepts in doubt."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from lib_one import http as web
from lib_one.contracts.revocation import (
    ClientRevoked,
    GrantRevoked,
    KeyDistrusted,
    RevocationHeartbeat,
    SessionRevoked,
    SubjectRevoked,
    TokenRevoked,
)
from lib_one.event import Contract, event, utc_now
from lib_one.nats import JetStreamBus, NatsConnection
from lib_one.testing import Clock, NatsServer, eventually, in_background, nats_server, partition
from lib_two.errors import CannotKnow, InvalidToken, Refused
from lib_two.guard import REFUSE, Guard, accept_within
from lib_two.revocation import RevocationView, State
from lib_two.testing import FakeIssuer, QuietFeed


def beat(view: RevocationView, clock: Clock) -> None:
    view.apply(event(RevocationHeartbeat(sent_at=clock()), source="/auth-svc", now=clock), 1)


@pytest.fixture
def guard(issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView, clock: Clock) -> Guard:
    return make_guard(issuer, http, view, now=clock)


def make_guard(issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView, now: Clock | None = None) -> Guard:
    return Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        view=view,
        http=http,
        client_id="app-svc",
        client_secret="app-svc-secret",
        now=now or utc_now,
    )


async def refusal(outcome: Awaitable[object]) -> type[Refused] | None:
    try:
        await outcome
    except Refused as error:
        return type(error)
    return None


async def test_seen_token_is_checked_without_the_issuer(guard: Guard, issuer: FakeIssuer) -> None:
    token = issuer.mint("user-1", "shipments:read", sid="s", grant_id="g", roles=["clerk"])
    principal = await guard.check(token)
    assert principal.subject == "user-1"
    assert principal.scopes == {"shipments:read"}
    assert principal.roles == {"clerk"}
    issuer.stop()
    for _ in range(3):
        assert await guard.check(token) is principal
    assert guard.status()["checks"] == {
        "seen": 3,
        "validated": 1,
        "introspected": 0,
        "revoked": 0,
        "cannot_know": 0,
        "accepted_in_doubt": 0,
    }


async def test_fresh_token_is_validated_without_introspection(guard: Guard, issuer: FakeIssuer) -> None:
    for _ in range(3):
        await guard.check(issuer.mint("user-1", "shipments:read"))
    assert issuer.requests == {"/.well-known/openid-configuration": 1, "/jwks": 1}


async def test_seen_token_expires(guard: Guard, issuer: FakeIssuer, clock: Clock) -> None:
    token = issuer.mint("user-1", "shipments:read")
    await guard.check(token)
    clock.advance(timedelta(minutes=10, seconds=4))
    await guard.check(token)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidToken, match="expired"):
        await guard.check(token)
    assert guard.status()["remembered"] == 0


async def test_forged_token_is_not_remembered(guard: Guard, issuer: FakeIssuer) -> None:
    with FakeIssuer(now=guard._now) as forger:
        forged = forger.signer.sign(issuer.claims("root", "shipments:write"), type_="at+jwt")
    for token in (forged, issuer.mint("u", "s", aud="https://elsewhere.example"), "x", "", "a.b.c", "\ud800"):
        for _ in range(2):
            with pytest.raises(InvalidToken):
                await guard.check(token)
    assert guard.status()["remembered"] == 0


async def test_number_of_remembered_tokens_is_bounded(
    guard: Guard, issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_two.guard.SEEN", 3)
    first = issuer.mint("user-0", "s")
    await guard.check(first)
    for number in range(3):
        await guard.check(issuer.mint(f"user-{number}", "s"))
        await guard.check(first)
    assert guard.status()["remembered"] == 3
    before = guard.status()["checks"]["validated"]
    await guard.check(first)  # the one in use stayed
    assert guard.status()["checks"]["validated"] == before


async def test_token_signed_with_an_unpublished_key_is_refused(guard: Guard, issuer: FakeIssuer) -> None:
    issuer.signer.add_key(published=False)
    with pytest.raises(InvalidToken):
        await guard.check(issuer.mint("u", "s"))


async def test_without_keys_and_issuer_it_cannot_know(guard: Guard, issuer: FakeIssuer) -> None:
    token = issuer.mint("u", "s")
    issuer.stop()
    with pytest.raises(CannotKnow):
        await guard.check(token)


def facts(clock: Clock) -> list[Contract]:
    until = clock() + timedelta(minutes=10)
    return [
        GrantRevoked(grant_id="g", expires_at=until),
        SessionRevoked(session_id="s", expires_at=until),
        SubjectRevoked(subject_id="user-1", not_before=clock(), expires_at=until),
        ClientRevoked(client_id="cli-proj", not_before=clock(), expires_at=until),
        KeyDistrusted(key_id="key-1", expires_at=until),
    ]


@pytest.mark.parametrize("number", range(5))
async def test_revocation_refuses_a_seen_token_whatever_the_state(
    guard: Guard, issuer: FakeIssuer, view: RevocationView, clock: Clock, number: int
) -> None:
    token = issuer.mint("user-1", "shipments:read", sid="s", grant_id="g")
    await guard.check(token)
    view.apply(event(facts(clock)[number], source="/auth-svc", now=clock), 2)
    for feed_connected in (True, False):
        view.follow(QuietFeed(), lambda connected=feed_connected: connected)  # type: ignore[misc]
        with pytest.raises(InvalidToken, match="revoked"):
            await guard.check(token)
    assert "/introspect" not in issuer.requests


async def test_later_cut_that_ends_with_an_earlier_one_refuses_what_passed_that(
    guard: Guard, issuer: FakeIssuer, view: RevocationView, clock: Clock
) -> None:
    token = issuer.mint("user-1", "shipments:read")
    until = clock() + timedelta(minutes=10)
    for not_before in (clock() - timedelta(seconds=1), clock()):
        await guard.check(token)
        cut = SubjectRevoked(subject_id="user-1", not_before=not_before, expires_at=until)
        view.apply(event(cut, source="/auth-svc", now=clock), 2)
    for _ in range(2):
        with pytest.raises(InvalidToken, match="revoked"):
            await guard.check(token)


async def test_stale_view_asks_the_issuer_each_time_and_believes_it(
    guard: Guard, issuer: FakeIssuer, view: RevocationView
) -> None:
    view.follow(QuietFeed(), lambda: False)
    token = issuer.mint("user-1", "shipments:read")
    await guard.check(token)
    await guard.check(token)
    assert issuer.requests["/introspect"] == 2
    await issuer.revoke_token(token)  # the bus is not told: only the issuer knows
    with pytest.raises(InvalidToken):
        await guard.check(token)


async def test_stale_view_without_issuer_refuses_with_cannot_know(
    guard: Guard, issuer: FakeIssuer, view: RevocationView
) -> None:
    token = issuer.mint("user-1", "shipments:read")
    await guard.check(token)
    view.follow(QuietFeed(), lambda: False)
    issuer.stop()
    with pytest.raises(CannotKnow) as caught:
        await guard.check(token)
    assert caught.value.status == 503
    assert caught.value.retry_after > timedelta(0)


async def test_route_that_does_not_ask_refuses_at_once(guard: Guard, issuer: FakeIssuer, view: RevocationView) -> None:
    token = issuer.mint("user-1", "shipments:read")
    await guard.check(token, in_doubt=REFUSE)  # no doubt
    view.follow(QuietFeed(), lambda: False)
    with pytest.raises(CannotKnow):
        await guard.check(token, in_doubt=REFUSE)
    assert "/introspect" not in issuer.requests


async def test_route_may_accept_in_doubt_within_its_bound_and_what_is_known_to_be_revoked_never(
    issuer: FakeIssuer, http: web.AsyncClient, clock: Clock
) -> None:
    ticks = 1000.0
    view = RevocationView(now=clock, monotonic=lambda: ticks)
    guard = make_guard(issuer, http, view, now=clock)
    good, bad = issuer.mint("user-1", "shipments:read"), issuer.mint("user-2", "shipments:read")
    tolerant = accept_within(timedelta(seconds=30))
    await guard.check(good, in_doubt=tolerant)  # asked
    await guard.check(bad, in_doubt=tolerant)
    issuer.stop()
    with pytest.raises(CannotKnow):  # it was never whole
        await guard.check(good, in_doubt=tolerant)

    view.follow(QuietFeed(), lambda: True)
    beat(view, clock)
    view.apply(event(_token_revoked(issuer, bad), source="/auth-svc", now=clock), 2)
    view.follow(QuietFeed(), lambda: False)
    ticks += 30
    await guard.check(good, in_doubt=tolerant)
    assert guard.status()["checks"]["accepted_in_doubt"] == 1
    with pytest.raises(CannotKnow):  # no other route is concerned
        await guard.check(good)
    with pytest.raises(InvalidToken, match="revoked"):
        await guard.check(bad, in_doubt=tolerant)
    ticks += 0.1
    with pytest.raises(CannotKnow):
        await guard.check(good, in_doubt=tolerant)


async def test_route_that_may_accept_believes_the_issuer_if_it_answers(
    guard: Guard, issuer: FakeIssuer, view: RevocationView
) -> None:
    view.follow(QuietFeed(), lambda: False)
    token = issuer.mint("user-1", "shipments:read")
    await issuer.revoke_token(token)  # the bus is not told
    with pytest.raises(InvalidToken):
        await guard.check(token, in_doubt=accept_within(timedelta(seconds=30)))


@pytest.mark.parametrize("answers", [True, False])
async def test_revocation_that_comes_while_the_issuer_is_asked_counts(
    issuer: FakeIssuer, http: web.AsyncClient, clock: Clock, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """The issuer's answer is from before it, or there is none and the route would accept in doubt."""
    view = RevocationView(now=clock, monotonic=lambda: 1000.0)
    guard = make_guard(issuer, http, view, now=clock)
    view.follow(QuietFeed(), lambda: True)
    beat(view, clock)
    token = issuer.mint("user-1", "shipments:read")
    await guard.check(token)
    view.follow(QuietFeed(), lambda: False)
    ask = guard._introspection.claims

    async def asked(token: str) -> bytes | None:
        try:
            return await ask(token)
        finally:
            view.apply(event(_token_revoked(issuer, token), source="/auth-svc", now=clock), 2)

    monkeypatch.setattr(guard._introspection, "claims", asked)
    if not answers:
        issuer.stop()
    with pytest.raises(InvalidToken if answers else CannotKnow):
        await guard.check(token, in_doubt=accept_within(timedelta(seconds=30)))


@pytest.mark.parametrize("seconds", [-1, 0, 301])
def test_bound_of_acceptance_is_bounded(seconds: int) -> None:
    with pytest.raises(ValueError, match="bound"):
        accept_within(timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, '{"active": "true"}'), (200, "[]"), (200, "{"), (200, '{"x": 1}'), (401, '{"active": true}'), (500, "")],
)
async def test_odd_answers_of_introspection_are_no_yes(
    issuer: FakeIssuer, view: RevocationView, clock: Clock, status: int, body: str
) -> None:
    view.follow(QuietFeed(), lambda: False)

    async def answer(request: web.Request) -> web.Response:
        if request.url.path == "/introspect":
            return web.Response(status, content=body)
        async with web.client() as real:
            return web.Response(200, content=(await real.get(request.url)).content)

    async with web.client(transport=web.MockTransport(answer)) as http:
        guard = make_guard(issuer, http, view, now=clock)
        with pytest.raises(CannotKnow):
            await guard.check(issuer.mint("u", "s"))


async def test_slow_introspection_is_given_up_and_does_not_pile_up(
    issuer: FakeIssuer, view: RevocationView, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_two.introspection.TIMEOUT", 0.2)
    view.follow(QuietFeed(), lambda: False)
    asking = most = 0

    async def answer(request: web.Request) -> web.Response:
        nonlocal asking, most
        if request.url.path == "/introspect":
            asking += 1
            most = max(most, asking)
            try:
                await asyncio.sleep(30)
            finally:
                asking -= 1
        async with web.client() as real:
            return web.Response(200, content=(await real.get(request.url)).content)

    async with web.client(transport=web.MockTransport(answer)) as http:
        guard = make_guard(issuer, http, view, now=clock)
        await guard.metadata.key(issuer.signer.newest)
        token = issuer.mint("u", "s")
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(*(refusal(guard.check(token)) for _ in range(50)))
    assert outcomes == [CannotKnow] * 50
    assert most == 8


async def test_ready_when_the_first_replay_is_complete_or_the_issuer_answers(
    issuer: FakeIssuer, http: web.AsyncClient, clock: Clock
) -> None:
    view = RevocationView(now=clock)
    guard = make_guard(issuer, http, view, now=clock)
    assert await guard.ready()
    issuer.stop()
    assert not await guard.ready()
    view.follow(QuietFeed(), lambda: True)
    assert await guard.ready()


# With a real nats-server, a real follower and wall clocks.


class House:
    """An issuer on the bus, and a guard that follows it."""

    def __init__(self, server: NatsServer, issuer: FakeIssuer, guard: Guard, connection: NatsConnection) -> None:
        self.server, self.issuer, self.guard, self.connection = server, issuer, guard, connection

    async def state(self, state: State, timeout: float = 15) -> None:
        await eventually(lambda: self.guard.view.state() is state, timeout)


@asynccontextmanager
async def following(server: NatsServer, view: RevocationView) -> AsyncIterator[NatsConnection]:
    connection = NatsConnection(server.url, name="app-svc", nkey_seed=server.seed("app-svc"))
    await connection.start()
    task = asyncio.create_task(view.run(connection))
    try:
        yield connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()


@pytest.fixture
async def house(http: web.AsyncClient) -> AsyncIterator[House]:
    async with nats_server() as server:
        publishing = NatsConnection(server.url, name="auth-svc", nkey_seed=server.seed("auth-svc"))
        await publishing.start()
        with FakeIssuer() as issuer:
            view = RevocationView()
            async with issuer.on_bus(JetStreamBus(publishing), every=0.2), following(server, view) as connection:
                yield House(server, issuer, make_guard(issuer, http, view), connection)
        await publishing.close()


async def test_revocation_on_the_bus_refuses_without_a_call(house: House) -> None:
    await house.state(State.FRESH)
    token = house.issuer.mint("user-1", "shipments:read")
    await house.guard.check(token)
    await house.issuer.revoke_token(token)  # returns when the stream has it
    async with asyncio.timeout(10):
        while await refusal(house.guard.check(token)) is None:
            await asyncio.sleep(0)
    assert "/introspect" not in house.issuer.requests


async def test_outage_of_the_bus_asks_then_refuses_then_recovers(house: House) -> None:
    await house.state(State.FRESH)
    good, bad = house.issuer.mint("user-1", "shipments:read"), house.issuer.mint("user-2", "shipments:read")
    await house.guard.check(good)
    await house.guard.check(bad)

    await house.server.stop()
    await house.state(State.STALE)
    await house.guard.check(good)
    assert house.issuer.requests["/introspect"] == 1
    house.issuer.revocations.facts.append(revoked := _token_revoked(house.issuer, bad))
    assert await refusal(house.guard.check(bad)) is InvalidToken

    house.issuer.stop()
    assert await refusal(house.guard.check(good)) is CannotKnow

    await house.server.start()
    await house.state(State.FRESH)
    asked = house.issuer.requests["/introspect"]
    await house.guard.check(good)
    assert house.issuer.requests["/introspect"] == asked

    await house.issuer.revoke(revoked)  # what the outbox would send when the bus is back
    await eventually(lambda: _refuses(house.guard, bad))


async def test_guard_behind_a_partition_asks_and_has_missed_nothing_when_it_heals(http: web.AsyncClient) -> None:
    """Bytes are swallowed, and no connection breaks: only the heartbeats tell that something is wrong."""
    async with nats_server() as server, partition("127.0.0.1", urlsplit(server.url).port or 0) as network:
        publishing = NatsConnection(server.url, name="auth-svc")
        cut_off = NatsConnection(f"nats://127.0.0.1:{network.port}", name="app-svc")
        await publishing.start()
        await cut_off.start()
        view = RevocationView()
        with FakeIssuer() as issuer:
            guard = make_guard(issuer, http, view)
            async with issuer.on_bus(JetStreamBus(publishing), every=0.2), in_background(view.run(cut_off)):
                await eventually(lambda: view.state() is State.FRESH)
                good, bad = issuer.mint("user-1", "shipments:read"), issuer.mint("user-2", "shipments:read")
                await guard.check(good)
                await guard.check(bad)
                network.cut()
                await eventually(lambda: view.state() is not State.FRESH)
                await issuer.revoke_token(bad)
                assert await refusal(guard.check(bad)) is InvalidToken  # asked
                await guard.check(good)
                assert not view._tokens
                network.heal()
                await eventually(lambda: view.state() is State.FRESH)
                asked = issuer.requests["/introspect"]
                assert view._tokens
                assert await refusal(guard.check(bad)) is InvalidToken
                assert issuer.requests["/introspect"] == asked
        await cut_off.close()
        await publishing.close()


async def test_silent_authorization_server_makes_the_view_stale(house: House, http: web.AsyncClient) -> None:
    """The bus is well, but without a heartbeat nobody knows whether revocations still reach it."""
    await house.state(State.FRESH)
    late = [0.0]
    view = RevocationView(monotonic=lambda: late[0])
    async with following(house.server, view):
        await eventually(lambda: view.state() is State.FRESH)
        late[0] = 3600.0  # no time to wait: an hour has passed since the last heartbeat, until the next one comes
        assert view.state() is State.STALE
        await eventually(lambda: view.state() is State.FRESH)


async def test_guard_that_starts_later_knows_what_was_revoked_before(house: House, http: web.AsyncClient) -> None:
    await house.state(State.FRESH)
    token = house.issuer.mint("user-1", "shipments:read")
    await house.issuer.revoke_token(token)
    view = RevocationView()
    assert view.state() is State.STALE
    async with following(house.server, view):
        await eventually(lambda: view.state() is State.FRESH)
        assert await refusal(make_guard(house.issuer, http, view).check(token)) is InvalidToken
        assert view.status()["entries"]["tokens"] == 1
    assert view.state() is State.STALE
    async with following(house.server, view):  # a restart of the follower
        await eventually(lambda: view.state() is State.FRESH)
        assert await refusal(make_guard(house.issuer, http, view).check(token)) is InvalidToken
    assert "/introspect" not in house.issuer.requests


async def test_stream_that_is_lost_and_made_anew_is_followed_again(house: House) -> None:
    await house.state(State.FRESH)
    await house.server.wipe()
    await house.state(State.STALE)
    await house.server.start()
    await house.state(State.FRESH, timeout=30)
    token = house.issuer.mint("user-1", "shipments:read")
    await house.guard.check(token)
    await house.issuer.revoke_token(token)
    await eventually(lambda: _refuses(house.guard, token))


def _token_revoked(issuer: FakeIssuer, token: str) -> TokenRevoked:
    claims = issuer.signer.read(token)
    assert claims is not None
    return TokenRevoked(token_id=claims["jti"], expires_at=utc_now() + timedelta(minutes=10))


async def _refuses(guard: Guard, token: str) -> bool:
    return await refusal(guard.check(token)) is InvalidToken
