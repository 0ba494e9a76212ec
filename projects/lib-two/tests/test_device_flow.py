"""The device flow's patience (RFC 8628 section 3.5)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from lib_one import http as web
from lib_one.testing import Clock, Sleep
from lib_two import device_flow
from lib_two.errors import IssuerUnavailable, OAuthError
from lib_two.oauth_client import OAuthClient
from lib_two.testing import FakeIssuer


@pytest.fixture
async def client(issuer: FakeIssuer, clock: Clock) -> AsyncIterator[OAuthClient]:
    async with OAuthClient(issuer.url, "cli-proj", now=clock) as client:
        yield client


async def test_approval_on_the_other_device_gives_tokens(client: OAuthClient, issuer: FakeIssuer, clock: Clock) -> None:
    authorization = await device_flow.start(client, scope="shipments:read offline_access")
    assert len(authorization.user_code) == 9
    assert authorization.expires_at == clock() + timedelta(minutes=10)
    assert authorization.verification_uri_complete is not None
    assert authorization.user_code in authorization.verification_uri_complete
    sleep = Sleep(clock, at_3=lambda: issuer.decide_device(authorization.user_code))
    tokens = await device_flow.wait(client, authorization, sleep=sleep)
    assert tokens.refresh_token
    assert sleep.pauses == [1, 1, 1]


async def test_refusal_on_the_other_device_ends_it(client: OAuthClient, issuer: FakeIssuer, clock: Clock) -> None:
    authorization = await device_flow.start(client, scope="shipments:read")
    issuer.decide_device(authorization.user_code, approve=False)
    with pytest.raises(OAuthError) as caught:
        await device_flow.wait(client, authorization, sleep=Sleep(clock))
    assert caught.value.code == "access_denied"


async def test_code_that_nobody_typed_expires(client: OAuthClient, issuer: FakeIssuer, clock: Clock) -> None:
    authorization = await device_flow.start(client, scope="shipments:read")
    seldom = msgspec.structs.replace(authorization, interval=timedelta(seconds=60))
    with pytest.raises(OAuthError) as caught:
        await device_flow.wait(client, seldom, sleep=Sleep(clock))
    assert caught.value.code == "expired_token"
    assert clock() >= authorization.expires_at


async def test_slow_down_adds_five_seconds_for_good(client: OAuthClient, issuer: FakeIssuer, clock: Clock) -> None:
    authorization = await device_flow.start(client, scope="shipments:read")

    def be(refusal: str | None) -> Any:
        return lambda: setattr(issuer, "refusal", refusal)

    def approve() -> None:
        issuer.refusal = None
        issuer.decide_device(authorization.user_code)

    sleep = Sleep(clock, at_1=be("slow_down"), at_2=be("authorization_pending"), at_3=be("slow_down"), at_4=approve)
    assert await device_flow.wait(client, authorization, sleep=sleep)
    assert sleep.pauses == [1, 6, 6, 11]


async def test_issuer_that_is_away_is_asked_ever_more_seldom_and_the_wait_goes_on(
    client: OAuthClient, issuer: FakeIssuer, clock: Clock
) -> None:
    authorization = await device_flow.start(client, scope="shipments:read")

    def back() -> None:
        issuer.start()
        issuer.decide_device(authorization.user_code)

    sleep = Sleep(clock, at_1=issuer.stop, at_6=back)
    assert await device_flow.wait(client, authorization, sleep=sleep)
    assert sleep.pauses == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(
    "answer", [{}, {"device_code": "d"}, {"device_code": 1, "user_code": "u", "verification_uri": "v", "expires_in": 1}]
)
async def test_odd_answer_is_not_taken(answer: dict[str, Any]) -> None:
    issuer = "https://issuer.example"

    def respond(request: web.Request) -> web.Response:
        if "well-known" in request.url.path:
            return web.Response(200, json={"issuer": issuer, "device_authorization_endpoint": f"{issuer}/device"})
        return web.Response(200, json=answer)

    async with web.client(transport=web.MockTransport(respond)) as http:
        with pytest.raises(IssuerUnavailable):
            await device_flow.start(OAuthClient(issuer, "cli-proj", http=http), scope="a")
