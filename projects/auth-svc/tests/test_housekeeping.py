"""What is forgotten, and when."""

from datetime import timedelta

from auth_svc.testing import House


async def test_grants_that_nothing_can_renew_are_forgotten_with_their_tokens(house: House) -> None:
    tokens = await house.tokens("clara")
    house.clock.advance(timedelta(days=89))
    await house.app.housekeeping.sweep()
    house.clock.advance(timedelta(days=-89))
    assert (await house.refresh(tokens["refresh_token"])).status_code == 200
    house.clock.advance(timedelta(days=91))
    await house.app.housekeeping.sweep()
    house.clock.advance(timedelta(days=-91))
    assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await house.events("GrantRevoked") == []
