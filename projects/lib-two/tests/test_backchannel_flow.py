"""Backchannel authentication from the client's side (OpenID Connect CIBA Core 1.0)."""

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from lib_one.testing import Clock, Sleep
from lib_two import backchannel_flow
from lib_two.errors import IssuerUnavailable, OAuthError
from lib_two.oauth_client import OAuthClient
from lib_two.testing import FakeIssuer

SCOPE = "openid offline_access shipments:read"


@pytest.fixture
async def client(issuer: FakeIssuer, clock: Clock) -> AsyncIterator[OAuthClient]:
    issuer.clients["till"] = "the secret of the till"
    async with OAuthClient(issuer.url, "till", client_secret="the secret of the till", now=clock) as client:
        yield client


async def test_polling_client_gets_tokens_when_the_person_says_yes_ciba_10_1(
    client: OAuthClient, issuer: FakeIssuer, clock: Clock
) -> None:
    asked = await backchannel_flow.start(client, scope=SCOPE, login_hint="clara", binding_message="Order 4711")
    assert asked.expires_at == clock() + timedelta(minutes=5)
    sleep = Sleep(clock, at_3=lambda: issuer.decide_backchannel(asked.auth_req_id))
    tokens = await backchannel_flow.wait(client, asked, sleep=sleep)
    assert tokens.id_token
    assert tokens.refresh_token
    assert tokens.scope == SCOPE
    assert sleep.pauses == [1, 1, 1]


async def test_refusal_ends_it_ciba_11(client: OAuthClient, issuer: FakeIssuer, clock: Clock) -> None:
    asked = await backchannel_flow.start(client, scope=SCOPE, login_hint="clara")
    issuer.decide_backchannel(asked.auth_req_id, approve=False)
    with pytest.raises(OAuthError) as caught:
        await backchannel_flow.wait(client, asked, sleep=Sleep(clock))
    assert caught.value.code == "access_denied"


async def test_request_that_nobody_answers_expires(client: OAuthClient, clock: Clock) -> None:
    asked = await backchannel_flow.start(client, scope=SCOPE, login_hint="clara")
    seldom = msgspec.structs.replace(asked, interval=timedelta(seconds=60))
    with pytest.raises(OAuthError) as caught:
        await backchannel_flow.wait(client, seldom, sleep=Sleep(clock))
    assert caught.value.code == "expired_token"


async def test_client_that_is_told_fetches_once_ciba_10_2(client: OAuthClient, issuer: FakeIssuer) -> None:
    token = backchannel_flow.new_notification_token()
    assert len(token) == 43
    asked = await backchannel_flow.start(client, scope=SCOPE, id_token_hint="x.y.z", notification_token=token)
    with pytest.raises(OAuthError) as caught:
        await backchannel_flow.fetch(client, asked)
    assert caught.value.code == "authorization_pending"
    issuer.decide_backchannel(asked.auth_req_id)
    assert (await backchannel_flow.fetch(client, asked)).access_token
    with pytest.raises(OAuthError):
        await backchannel_flow.fetch(client, asked)


@pytest.mark.parametrize("hints", [{}, {"login_hint": "clara", "id_token_hint": "x.y.z"}])
async def test_exactly_one_hint_is_given_ciba_7_1(client: OAuthClient, hints: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        await backchannel_flow.start(client, scope=SCOPE, **hints)


async def test_issuer_without_the_endpoint_is_no_surprise(client: OAuthClient, issuer: FakeIssuer) -> None:
    issuer.metadata["backchannel_authentication_endpoint"] = None
    with pytest.raises((IssuerUnavailable, OAuthError)):
        await backchannel_flow.start(client, scope=SCOPE, login_hint="clara", requested_expiry=timedelta(minutes=1))
