"""Backchannel authentication with ping and push delivery (CIBA Core sections 10.2, 10.3 and 12)."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.testing import SECRET, House, PageForm, running_house
from lib_one.http import Response
from lib_one.testing import eventually

GRANT = "urn:openid:params:grant-type:ciba"
SCOPE = "openid offline_access shipments:read"
WHERE = "https://till.example/notified"
TOKEN = "the-tills-own-notification-token"


async def register(house: House, mode: str, **changes: Any) -> None:
    usual: dict[str, Any] = {
        "client_id": "till",
        "client_name": "Till",
        "secret": SECRET,
        "grant_types": (GRANT, "refresh_token"),
        "scope": SCOPE,
        "backchannel_token_delivery_mode": mode,
        "backchannel_client_notification_endpoint": WHERE,
    }
    new = NewClient(**(usual | changes))
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


async def ask(house: House, **changes: str) -> Any:
    form = {"scope": SCOPE, "login_hint": "clara", "client_notification_token": TOKEN} | changes
    form = {name: value for name, value in form.items() if value}
    return await house.post("/backchannel_authentication", form, client="till")


async def begin(house: House, mode: str) -> dict[str, Any]:
    """A registered till that has asked; it takes what it is told."""
    house.web[WHERE] = Response(204)
    await register(house, mode)
    answer = await ask(house)
    assert answer.status_code == 200, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


async def decide(person: Any, decision: str) -> Any:
    await person.go("/requests")
    if 'name="password"' in person.page.text:
        await person.sign_in("clara")
    return await person.submit(decision=decision)


async def poll(house: House, begun: dict[str, Any]) -> Any:
    return await house.post("/token", {"grant_type": GRANT, "auth_req_id": begun["auth_req_id"]}, client="till")


def told(house: House) -> list[Any]:
    return [request for request in house.web.requests if request.url.path == "/notified"]


async def only(house: House) -> tuple[Any, dict[str, Any]]:
    """The one notification and its body."""
    await eventually(lambda: len(told(house)) >= 1)
    await eventually(lambda: _made(house))
    (request,) = told(house)
    body: dict[str, Any] = json.loads(request.content)
    return request, body


async def _made(house: House) -> bool:
    return len(await house.events("DeliveryMade")) == 1


def half_hash(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


# --- ping -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("decision", "status"), [("allow", 200), ("deny", 400)])
async def test_ping_says_that_there_is_a_decision_ciba_10_2(
    house: House, person: Any, decision: str, status: int
) -> None:
    begun = await begin(house, "ping")
    assert begun["interval"] == 5
    assert told(house) == []
    await decide(person, decision)
    request, body = await only(house)
    assert request.method == "POST"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json"
    assert body == {"auth_req_id": begun["auth_req_id"]}
    assert (await poll(house, begun)).status_code == status


async def test_client_that_is_pinged_may_poll_as_well_ciba_5(house: House) -> None:
    begun = await begin(house, "ping")
    assert (await poll(house, begun)).json()["error"] == "authorization_pending"


async def test_ping_to_a_client_that_is_away_comes_later(house: House, person: Any) -> None:
    begun = await begin(house, "ping")
    house.web[WHERE] = Response(503)
    await decide(person, "allow")
    await eventually(lambda: len(told(house)) >= 1)
    house.web[WHERE] = Response(204)
    assert (await poll(house, begun)).status_code == 200

    async def again() -> bool:
        house.clock.advance(timedelta(seconds=5))
        return len(told(house)) >= 2

    await eventually(again)


async def test_ping_survives_a_crash_between_decision_and_delivery(house: House, person: Any, settings: Any) -> None:
    begun = await begin(house, "ping")
    house.web[WHERE] = Response(503)
    await decide(person, "allow")
    await eventually(lambda: len(told(house)) >= 1)
    async with running_house(settings, house.clock) as after:
        after.web[WHERE] = Response(204)
        house.web[WHERE] = Response(204)

        async def again() -> bool:
            house.clock.advance(timedelta(seconds=5))
            return len(told(after)) + len(told(house)) >= 2

        await eventually(again)
        bodies = [json.loads(request.content) for request in [*told(house), *told(after)]]
        assert all(body == {"auth_req_id": begun["auth_req_id"]} for body in bodies)


# --- push -----------------------------------------------------------------------------------------------------------


async def test_push_brings_the_tokens_and_an_id_token_that_names_the_request_ciba_10_3(
    house: House, person: Any
) -> None:
    begun = await begin(house, "push")
    assert "interval" not in begun
    await decide(person, "allow")
    request, body = await only(house)
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert body["auth_req_id"] == begun["auth_req_id"]
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    identity = house.claims(body["id_token"])
    assert identity["urn:openid:params:jwt:claim:auth_req_id"] == begun["auth_req_id"]
    assert identity["urn:openid:params:jwt:claim:rt_hash"] == half_hash(body["refresh_token"])
    assert identity["at_hash"] == half_hash(body["access_token"])
    assert await house.active(body["access_token"])
    form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
    assert (await house.post("/token", form, client="till")).status_code == 200


async def test_push_tells_of_a_refusal_ciba_12(house: House, person: Any) -> None:
    begun = await begin(house, "push")
    await decide(person, "deny")
    _, body = await only(house)
    assert (body["auth_req_id"], body["error"]) == (begun["auth_req_id"], "access_denied")
    assert "access_token" not in body


async def test_client_that_is_pushed_to_may_not_ask_at_the_token_endpoint_ciba_5(house: House, person: Any) -> None:
    begun = await begin(house, "push")
    for _ in range(2):
        answer = await poll(house, begun)
        assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
        await decide(person, "allow")


async def test_tokens_are_pushed_once_however_often_the_person_clicks(house: House, person: Any) -> None:
    await begin(house, "push")
    await person.go("/requests")
    await person.sign_in("clara")
    form = PageForm(person.page.text)
    codes = [
        (await person.http.post(form.action, data=form.fields | {"decision": "allow"})).status_code for _ in range(3)
    ]
    assert codes == [303, 409, 409]
    await only(house)
    assert len(await house.events("TokenIssued")) == 1


async def test_ordinary_id_token_names_no_request(house: House) -> None:
    identity = house.claims((await house.tokens("clara"))["id_token"])
    assert not any(name.startswith("urn:") for name in identity)


async def test_withdrawn_consent_ends_what_was_pushed(house: House, person: Any) -> None:
    await begin(house, "push")
    await decide(person, "allow")
    _, body = await only(house)
    csrf = PageForm((await person.go("/device")).text).fields["csrf"]
    await person.follow(await person.http.post("/consents", data={"csrf": csrf, "client_id": "till"}))
    assert not await house.active(body["access_token"])


# --- what is kept, and what is refused ------------------------------------------------------------------------------


async def test_secrets_are_sealed_while_they_wait(house: House, person: Any) -> None:
    begun = await begin(house, "push")
    house.web[WHERE] = Response(503)
    await decide(person, "allow")
    await eventually(lambda: len(told(house)) >= 1)
    body = json.loads(told(house)[0].content)
    folder = house.app.settings.secret_key_file.parent
    kept = b"".join(file.read_bytes() for file in folder.glob("*.db*"))
    for secret in (TOKEN, begun["auth_req_id"], body["access_token"], body["refresh_token"]):
        assert secret.encode() not in kept
        assert secret not in repr(house.bus.published)


@pytest.mark.parametrize("mode", ["ping", "push"])
@pytest.mark.parametrize("token", ["", "x" * 1025, "two words", "ä", 'qu"ote'])
async def test_notification_token_is_required_and_bounded_ciba_7_1(house: House, mode: str, token: str) -> None:
    await register(house, mode)
    answer = await ask(house, client_notification_token=token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"backchannel_client_notification_endpoint": None},
        {"backchannel_client_notification_endpoint": "http://till.example/notified"},
        {"backchannel_client_notification_endpoint": "com.example.till:/notified"},
        {"dpop_bound_access_tokens": True},
        {"profile": "fapi2"},
        {"backchannel_authentication_request_signing_alg": "ES256"},
    ],
)
async def test_unfit_metadata_are_not_registered_ciba_4(house: House, changes: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError):
        await register(house, "push", **changes)
