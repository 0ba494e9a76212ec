"""Backchannel authentication with poll delivery (OpenID Connect CIBA Core 1.0)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.testing import SECRET, House, PageForm

GRANT = "urn:openid:params:grant-type:ciba"
both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


async def decide(person: Any, decision: str, username: str = "clara") -> Any:
    """Open the page of what waits, sign in if needed, and decide on the last one."""
    await person.go("/requests")
    if 'name="password"' in person.page.text:
        await person.sign_in(username)
    return await person.submit(decision=decision)


async def test_answer_has_every_field_and_a_secret_of_256_bits_ciba_7_3(till: Any) -> None:
    answer = await till.ask()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    begun = answer.json()
    assert len(begun["auth_req_id"]) == 43
    assert (begun["expires_in"], begun["interval"]) == (300, 5)


async def test_whole_flow_gives_tokens_once_ciba_10_1(house: House, till: Any, person: Any) -> None:
    begun = await till.begin()
    assert await till.error(begun) == "authorization_pending"
    assert "Allowed" in (await decide(person, "allow")).text
    house.clock.advance(timedelta(seconds=5))
    answer = await till.poll(begun)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["scope"] == "openid offline_access shipments:read shipments:scan"
    assert tokens["refresh_token"]
    access, identity = house.claims(tokens["access_token"]), house.claims(tokens["id_token"])
    assert identity["aud"] == "till"
    assert identity["sub"] == access["sub"]
    assert identity["auth_time"]
    (consent,) = await house.events("ConsentGranted")
    assert consent.data.aggregate() == access["grant_id"]
    assert await till.error(begun) == "invalid_grant"


async def test_page_shows_who_asks_what_and_the_message_ciba_7_1(till: Any, person: Any) -> None:
    await till.begin(scope="openid shipments:read shipments:scan", login_hint="erin")
    await person.go("/requests")
    page = await person.sign_in("erin")
    for words in ("Till at the counter", "Order 4711", "Erin Employee", "Look at shipments", "asked for more"):
        assert words in page.text
    assert "Record scans" not in page.text


async def test_message_is_text_and_nothing_else(till: Any, person: Any) -> None:
    await till.begin(binding_message="<b>&amp;")
    await person.go("/requests")
    page = await person.sign_in("clara")
    assert "&lt;b&gt;&amp;amp;" in page.text


async def test_each_person_sees_only_their_own_requests(till: Any, person: Any, stranger: Any) -> None:
    begun = await till.begin()
    await person.go("/requests")
    await person.sign_in("clara")
    form = PageForm(person.page.text)
    await stranger.go("/requests")
    page = await stranger.sign_in("dan")
    assert "There are none" in page.text
    await stranger.go("/device")
    fields = form.fields | {"csrf": PageForm(stranger.page.text).fields["csrf"], "decision": "allow"}
    assert (await stranger.http.post("/requests", data=fields)).status_code == 409
    assert await till.error(begun) == "authorization_pending"


async def test_denied_request_is_access_denied_ciba_11(till: Any, person: Any) -> None:
    begun = await till.begin()
    assert "Denied" in (await decide(person, "deny")).text
    assert await till.error(begun) == "access_denied"
    page = await person.go("/requests")
    assert "There are none" in page.text


async def test_impatient_client_is_slowed_down_ciba_11(house: House, till: Any) -> None:
    begun = await till.begin()
    assert await till.error(begun) == "authorization_pending"
    assert await till.error(begun) == "slow_down"
    house.clock.advance(timedelta(seconds=5))
    assert await till.error(begun) == "slow_down"
    house.clock.advance(timedelta(seconds=15))
    assert await till.error(begun) == "authorization_pending"


async def test_request_expires_ciba_11(house: House, till: Any, person: Any) -> None:
    begun, short = await till.begin(), await till.begin(requested_expiry="30")
    assert short["expires_in"] == 30
    house.clock.advance(timedelta(seconds=30))
    assert await till.error(short) == "expired_token"
    assert await till.error(begun) == "authorization_pending"
    house.clock.advance(timedelta(minutes=5))
    assert await till.error(begun) == "expired_token"
    await person.go("/requests")
    assert "There are none" in (await person.sign_in("clara")).text
    assert (await till.begin(requested_expiry="999999999"))["expires_in"] == 300


async def test_approval_in_the_last_second_counts(house: House, till: Any, person: Any) -> None:
    begun = await till.begin()
    await person.go("/requests")
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=299))
    await person.submit(decision="allow")
    house.clock.advance(timedelta(seconds=2))
    assert (await till.poll(begun)).status_code == 200


@both
async def test_of_50_parallel_redemptions_exactly_one_wins_ciba_10_1(till: Any, person: Any) -> None:
    begun = await till.begin()
    await decide(person, "allow")
    answers = await asyncio.gather(*(till.poll(begun) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}


@both
async def test_request_is_decided_once(house: House, till: Any, person: Any) -> None:
    await till.begin()
    await person.go("/requests")
    await person.sign_in("clara")
    form = PageForm(person.page.text)
    fields = form.fields | {"decision": "allow"}
    answers = await asyncio.gather(*(person.http.post(form.action, data=fields) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 4
    assert len(await house.events("ConsentGranted")) == 1


async def test_hint_may_be_an_id_token_of_this_client_even_an_expired_one_ciba_7_1(
    house: House, till: Any, person: Any
) -> None:
    tokens = await house.tokens("clara", client="till", scope="openid")
    house.clock.advance(timedelta(hours=1))
    await till.begin(login_hint="", id_token_hint=tokens["id_token"])
    await person.go("/requests")
    assert "Order 4711" in (await person.sign_in("clara")).text
    others = await house.tokens("clara", client="cli-proj", scope="openid")
    for hint in (others["id_token"], tokens["access_token"], "nonsense"):
        answer = await till.ask(login_hint="", id_token_hint=hint)
        assert (answer.status_code, answer.json()["error"]) == (400, "unknown_user_id")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "shipments:read"}, "invalid_scope"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
        ({"login_hint": ""}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint": "", "login_hint_token": "x"}, "invalid_request"),
        ({"request": "e30.e30.e30"}, "invalid_request"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"requested_expiry": "-5"}, "invalid_request"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "9" * 50}, "invalid_request"),
        ({"login_hint": "nobody"}, "unknown_user_id"),
        ({"login_hint": "x" * 5000}, "unknown_user_id"),
        ({"binding_message": "x" * 81}, "invalid_binding_message"),
        ({"binding_message": "left\u202eright"}, "invalid_binding_message"),
    ],
)
async def test_bad_request_is_refused_ciba_13(till: Any, changes: dict[str, str], code: str) -> None:
    answer = await till.ask(**changes)
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_clients_must_be_registered_for_it_ciba_4(house: House, till: Any) -> None:
    form = {"scope": "openid", "login_hint": "clara"}
    answer = await house.post("/backchannel_authentication", form, client="web")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")
    answer = await house.post("/backchannel_authentication", form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    new = NewClient(
        client_id="phone", client_name="Phone", token_endpoint_auth_method="none", grant_types=(GRANT,), scope="openid"
    )
    with pytest.raises(RegistrationError):
        await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))
    new = NewClient(client_id="codes", client_name="Codes", secret=SECRET, backchannel_user_code_parameter=True)
    with pytest.raises(RegistrationError):
        await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))


async def test_request_of_another_client_is_invalid_grant_ciba_11(house: House, till: Any) -> None:
    new = NewClient(client_id="other", client_name="Other", secret=SECRET, grant_types=(GRANT,), scope="openid")
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))
    begun = await till.begin()
    form = {"grant_type": GRANT, "auth_req_id": begun["auth_req_id"]}
    answer = await house.post("/token", form, client="other")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    answer = await house.post("/token", {"grant_type": GRANT}, client="till")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert await till.error({"auth_req_id": "unknown"}) == "invalid_grant"
    assert await till.error(begun) == "authorization_pending"


async def test_nobody_is_asked_without_end(house: House, till: Any) -> None:
    for _ in range(10):
        await till.begin()
    answer = await till.ask()
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert (await till.ask(login_hint="dan")).status_code == 200
    house.clock.advance(timedelta(minutes=1))
    assert (await till.ask()).status_code == 200


async def test_signing_out_before_the_tokens_are_fetched_ends_the_request(till: Any, person: Any) -> None:
    begun = await till.begin()
    await decide(person, "allow")
    await person.sign_out()
    assert await till.error(begun) == "invalid_grant"


async def test_withdrawn_consent_ends_what_was_not_fetched(till: Any, person: Any) -> None:
    begun = await till.begin()
    await decide(person, "allow")
    await person.go("/consents")
    csrf = PageForm((await person.go("/device")).text).fields["csrf"]
    await person.follow(await person.http.post("/consents", data={"csrf": csrf, "client_id": "till"}))
    assert await till.error(begun) == "invalid_grant"


async def test_secret_is_kept_as_a_hash_and_told_to_nobody(house: House, till: Any) -> None:
    begun = await till.begin()
    (asked,) = await house.events("AuthenticationRequested")
    secret = begun["auth_req_id"]
    assert secret not in repr(asked)
    folder = house.app.settings.secret_key_file.parent
    assert secret.encode() not in b"".join(file.read_bytes() for file in folder.glob("*.db*"))


async def test_old_requests_are_forgotten(house: House, till: Any) -> None:
    begun = await till.begin()
    house.clock.advance(timedelta(days=1, minutes=6))
    await house.app.housekeeping.sweep()
    assert await till.error(begun) == "invalid_grant"


async def test_metadata_names_the_endpoint_ciba_4(house: House) -> None:
    document = (await house.http.get("/.well-known/openid-configuration")).json()
    assert document["backchannel_authentication_endpoint"] == f"{house.issuer}/backchannel_authentication"
    assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping", "push"]
    assert document["backchannel_user_code_parameter_supported"] is False
    assert GRANT in document["grant_types_supported"]
