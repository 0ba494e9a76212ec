"""Opaque access tokens at the guard: the issuer says once what they mean (RFC 7662), the view judges from then on."""

from datetime import timedelta
from typing import Any

import pytest

from lib_one import http as web
from lib_one.contracts.revocation import GrantRevoked, TokenRevoked
from lib_one.event import event
from lib_one.testing import Clock
from lib_two.errors import CannotKnow, InvalidToken
from lib_two.guard import Guard
from lib_two.revocation import RevocationView
from lib_two.testing import FakeIssuer


def tell(view: RevocationView, clock: Clock, fact: Any) -> None:
    view.apply(event(fact, source="/auth-svc", now=clock), 1)


def guard_of(issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView, clock: Clock, **more: Any) -> Guard:
    return Guard(
        issuer=issuer.url,
        audience=issuer.audience,
        view=view,
        http=http,
        client_id="app-svc",
        client_secret="app-svc-secret",
        now=clock,
        **more,
    )


@pytest.fixture
def guard(issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView, clock: Clock) -> Guard:
    return guard_of(issuer, http, view, clock, opaque=True)


async def test_issuer_is_asked_once_what_it_means_rfc7662_2_2(guard: Guard, issuer: FakeIssuer) -> None:
    token = issuer.mint_opaque("user-1", "vault:open", sid="s", grant_id="g", roles=["clerk"], amr=["pwd"])
    principal = await guard.check(token)
    assert (principal.subject, principal.scopes, principal.roles) == ("user-1", {"vault:open"}, {"clerk"})
    assert (principal.session_id, principal.grant_id) == ("s", "g")
    issuer.stop()
    assert await guard.check(token) is principal
    assert guard.status()["checks"]["introspected"] == 1


async def test_revocation_on_the_bus_ends_it_without_a_question(
    guard: Guard, issuer: FakeIssuer, view: RevocationView, clock: Clock
) -> None:
    one, two = issuer.mint_opaque("u", "s", jti="token-1"), issuer.mint_opaque("u", "s", grant_id="grant-1")
    for token in (one, two):
        await guard.check(token)
    issuer.stop()
    ends = clock() + timedelta(minutes=10)
    tell(view, clock, TokenRevoked(token_id="token-1", expires_at=ends))
    tell(view, clock, GrantRevoked(grant_id="grant-1", expires_at=ends))
    for token in (one, two):
        with pytest.raises(InvalidToken):
            await guard.check(token)


async def test_it_expires_like_any_other(guard: Guard, issuer: FakeIssuer, clock: Clock) -> None:
    token = issuer.mint_opaque("u", "s")
    await guard.check(token)
    clock.advance(timedelta(minutes=11))
    with pytest.raises(InvalidToken, match="expired"):
        await guard.check(token)


@pytest.mark.parametrize("change", [{"aud": "https://other.example"}, {"iss": "https://other.example"}, {"exp": 1}])
async def test_what_the_issuer_says_is_checked_like_a_jwt_rfc9068_4(
    guard: Guard, issuer: FakeIssuer, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidToken):
        await guard.check(issuer.mint_opaque("u", "s", **change))
    assert guard.status()["remembered"] == 0


@pytest.mark.parametrize("token", ["unknown", "x" * 43])
async def test_token_that_the_issuer_does_not_know_is_refused(guard: Guard, token: str) -> None:
    with pytest.raises(InvalidToken):
        await guard.check(token)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\x00b", "ä" * 43, "x" * 1025, "=", "a.b", "a.b.c"])
async def test_what_has_not_the_form_is_refused_unasked_rfc6750_2_1(
    guard: Guard, issuer: FakeIssuer, token: str
) -> None:
    with pytest.raises(InvalidToken):
        await guard.check(token)
    assert issuer.requests["/introspect"] == 0


async def test_in_doubt_it_is_not_accepted(guard: Guard, issuer: FakeIssuer) -> None:
    token = issuer.mint_opaque("u", "s")
    issuer.stop()
    with pytest.raises(CannotKnow):
        await guard.check(token)


async def test_guard_that_expects_none_asks_nobody(
    issuer: FakeIssuer, http: web.AsyncClient, view: RevocationView, clock: Clock
) -> None:
    with pytest.raises(InvalidToken):
        await guard_of(issuer, http, view, clock).check(issuer.mint_opaque("u", "s"))
    assert issuer.requests["/introspect"] == 0


async def test_jwts_are_still_validated_here(guard: Guard, issuer: FakeIssuer) -> None:
    await guard.check(issuer.mint("u", "s"))
    assert issuer.requests["/introspect"] == 0
