"""OpenID Connect Back-Channel Logout 1.0: whoever knows of a sign-in is told that it is over."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import func, select

from auth_svc import users
from auth_svc.deliveries.store import deliveries
from auth_svc.testing import House, Person, browsing, running_house
from lib_one.http import Response
from lib_one.testing import eventually

WHERE = "https://shop.example/logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def logout_tokens(house: House) -> list[str]:
    told = [request for request in house.web.requests if request.url.path == "/logout"]
    return [parse_qs(request.content.decode(), strict_parsing=True)["logout_token"][0] for request in told]


async def told(house: House, count: int = 1) -> list[dict[str, Any]]:
    """The claims of what the shop was told, once that is so much."""
    await eventually(lambda: len(logout_tokens(house)) >= count)
    await eventually(lambda: _made(house, count))
    assert len(logout_tokens(house)) == count
    return [house.claims(token) for token in logout_tokens(house)]


async def _made(house: House, count: int) -> bool:
    return len(await house.events("DeliveryMade")) == count


async def user_id(house: House, username: str) -> str:
    user = await house.app.ledger.database.read(lambda c: users.find_by_username(c, username))
    assert user
    return user.user_id


async def test_logout_token_has_what_it_must_and_no_nonce_2_4(person: Person, house: House, id_token: str) -> None:
    await person.sign_out()
    (claims,) = await told(house)
    before = house.claims(id_token)
    now = int(house.clock().timestamp())
    assert claims.pop("jti")
    assert claims == {
        "iss": house.issuer,
        "aud": "web",
        "sub": before["sub"],
        "sid": before["sid"],
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
    }


async def test_logout_token_is_signed_like_the_id_token_and_typed_2_4(
    person: Person, house: House, id_token: str
) -> None:
    await person.sign_out()
    await told(house)
    (token,) = logout_tokens(house)
    keys = KeySet.import_key_set((await house.http.get("/jwks")).json())
    verified = jwt.decode(token, keys, algorithms=["ES256"])
    assert (verified.header["typ"], verified.header["alg"]) == ("logout+jwt", "ES256")
    # It cannot pass for an ID token or an access token here.
    assert (await house.http.get("/logout", params={"id_token_hint": token})).status_code == 400
    assert not await house.active(token)


async def test_it_is_posted_as_a_form_to_the_registered_address_2_5(
    person: Person, house: House, id_token: str
) -> None:
    await person.sign_out()
    await told(house)
    (request,) = house.web.requests
    assert (request.method, request.headers["host"]) == ("POST", "shop.example")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.url.query == b"over=channel"


async def test_sid_of_logout_is_in_every_id_token_of_the_sign_in_2_1(
    person: Person, house: House, id_token: str
) -> None:
    tokens = await house.tokens("clara", client="web", scope="openid offline_access", session_id="s-1")
    refreshed = await house.post(
        "/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}, client="web"
    )
    assert house.claims(tokens["id_token"])["sid"] == house.claims(refreshed.json()["id_token"])["sid"] == "s-1"
    for kind in ("access_token", "refresh_token"):
        told = await house.post("/introspect", {"token": refreshed.json()[kind]}, client="web")
        assert told.json()["sid"] == "s-1"


async def test_unanswered_logout_is_tried_again_with_a_fresh_token_2_8(
    person: Person, house: House, id_token: str
) -> None:
    house.web[WHERE] = Response(503)
    await person.sign_out()
    await eventually(lambda: _failed(house, 1))
    house.web[WHERE] = Response(204)
    house.clock.advance(timedelta(hours=1))
    (made,) = await eventually(lambda: house.events("DeliveryMade"))
    first, second = [house.claims(token) for token in logout_tokens(house)]
    assert second["iat"] - first["iat"] == 3600
    assert first["jti"] != second["jti"]
    assert (made.data.client_id, made.data.attempts) == ("web", 2)  # type: ignore[attr-defined]


async def test_logout_survives_a_restart(settings: Any, clock: Any) -> None:
    async with running_house(settings, clock) as house, browsing(house) as person:
        await person.at_the_shop()
        await person.sign_out()
        await eventually(lambda: _tried(house, 1))
    clock.advance(timedelta(minutes=1))
    async with running_house(settings, clock) as house:
        house.web[WHERE] = Response(200)
        await told(house)


async def test_rp_initiated_logout_tells_the_others_too(person: Person, house: House, id_token: str) -> None:
    await person.go("/logout", id_token_hint=id_token)
    assert (await told(house))[0]["sid"] == house.claims(id_token)["sid"]


async def test_another_person_in_the_same_browser_ends_the_sign_in_before(
    person: Person, house: House, id_token: str
) -> None:
    house.clock.advance(timedelta(minutes=1))
    await person.authorize(prompt="login")
    await person.sign_in("erin")
    assert (await told(house))[0]["sub"] == house.claims(id_token)["sub"]


async def test_whatever_ends_all_of_a_person_tells_for_each_sign_in(
    person: Person, stranger: Person, house: House, id_token: str
) -> None:
    second = (await stranger.at_the_shop())["id_token"]
    clara = await user_id(house, "clara")
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, clara))
    claims = await told(house, 2)
    assert {each["sid"] for each in claims} == {house.claims(token)["sid"] for token in (id_token, second)}


async def test_the_end_is_told_once(person: Person, house: House, id_token: str) -> None:
    await person.sign_out()
    await told(house)
    clara = await user_id(house, "clara")
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, clara))
    await told(house)


async def test_of_parallel_sign_outs_one_tells(person: Person, house: House, id_token: str) -> None:
    await person.go("/signout")
    form = {"csrf": person.page.text.split('name="csrf" value="')[1].split('"')[0]}
    await asyncio.gather(*(person.http.post("/signout", data=form) for _ in range(10)))
    await told(house)


async def test_client_without_an_address_and_client_of_another_sign_in_are_not_told(
    person: Person, stranger: Person, house: House, id_token: str
) -> None:
    await stranger.sign_in("erin")
    await stranger.redeem(await stranger.code("erin"))
    await stranger.sign_out()
    assert len(await house.events("SessionEnded")) == 1
    assert await house.events("DeliveryMade") == []


async def test_metadata_says_so_2_1(house: House) -> None:
    metadata = (await house.http.get("/.well-known/openid-configuration")).json()
    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True


async def _failed(house: House, count: int) -> bool:
    attempts = select(func.sum(deliveries.c.attempts))
    return await house.app.ledger.database.read(lambda c: c.execute(attempts).scalar() == count)


async def _tried(house: House, count: int) -> bool:
    return sum(request.url.path == "/logout" for request in house.web.requests) == count
