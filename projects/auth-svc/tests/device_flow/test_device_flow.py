"""The device authorization grant, from the device's request to its tokens (RFC 8628)."""

import asyncio
import re
from datetime import timedelta
from html import escape
from typing import Any

import pytest

from auth_svc import users
from auth_svc.clients import UNSEEN_FOR
from auth_svc.device_flow import authorization
from auth_svc.signin import Limit
from auth_svc.testing import PageForm, browsing

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid offline_access shipments:read shipments:scan"


async def begin(house: Any, **changes: str) -> dict[str, Any]:
    answer = await house.post("/device_authorization", {"client_id": "cli-proj", "scope": SCOPE} | changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def poll(house: Any, device: dict[str, Any], **changes: str) -> Any:
    form = {"grant_type": GRANT, "client_id": "cli-proj", "device_code": device["device_code"]}
    return await house.post("/token", form | changes)


async def error(house: Any, device: dict[str, Any], **changes: str) -> str:
    answer = await poll(house, device, **changes)
    assert answer.status_code == 400, answer.text
    assert answer.headers["cache-control"] == "no-store"
    code: str = answer.json()["error"]
    return code


async def enter(person: Any, code: str, username: str = "clara") -> Any:
    """Sign in if needed, and enter the code."""
    await person.go("/device")
    if 'name="password"' in person.page.text:
        await person.sign_in(username)
    return await person.submit(user_code=code)


async def decide(person: Any, code: str, decision: str, username: str = "clara") -> Any:
    await enter(person, code, username)
    return await person.submit(decision=decision)


async def test_answer_has_every_field_rfc8628_3_2(house: Any) -> None:
    answer = await house.post("/device_authorization", {"client_id": "cli-proj", "scope": SCOPE})
    device = answer.json()
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", device["user_code"])
    assert len(device["device_code"]) >= 43
    assert device["verification_uri"] == f"{house.issuer}/device"
    assert device["verification_uri_complete"] == f"{house.issuer}/device?user_code={device['user_code']}"
    assert (device["expires_in"], device["interval"]) == (600, 5)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"scope": "openid"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "web"}, 401, "invalid_client"),
        ({"client_id": "cli-proj"}, 400, "invalid_scope"),
        ({"client_id": "cli-proj", "scope": "unknown"}, 400, "invalid_scope"),
        ({"client_id": "cli-proj", "scope": "openid", "resource": "https://x.example"}, 400, "invalid_target"),
    ],
)
async def test_bad_request_is_refused_rfc8628_3_1(house: Any, form: dict[str, str], status: int, code: str) -> None:
    answer = await house.post("/device_authorization", form)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.headers["cache-control"] == "no-store"


async def test_client_without_the_grant_is_unauthorized(house: Any) -> None:
    answer = await house.post("/device_authorization", {"scope": "openid"}, client="web")
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_endpoint_takes_post_only(house: Any) -> None:
    assert (await house.http.get("/device_authorization")).status_code == 405


async def test_whole_flow_gives_tokens_once_rfc8628_3_5(house: Any, person: Any) -> None:
    device = await begin(house)
    assert await error(house, device) == "authorization_pending"
    done = await decide(person, device["user_code"], "allow")
    assert "Your device is connected" in done.text
    house.clock.advance(timedelta(seconds=5))
    answer = await poll(house, device)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens["scope"] == SCOPE
    assert tokens["refresh_token"]
    (consent,) = await house.events("ConsentGranted")
    access = house.claims(tokens["access_token"])
    assert access["grant_id"] == consent.data.grant_id
    assert access["sid"]
    assert await error(house, device) == "invalid_grant"


async def test_page_shows_client_code_and_what_is_allowed_rfc8628_5_4(house: Any, person: Any) -> None:
    device = await begin(house, scope=SCOPE + " shipments:write")
    page = await enter(person, device["user_code"], "dan")
    for words in ("Command line", device["user_code"], "Dan Driver", "Record scans", "asked for more"):
        assert words in page.text
    assert "Register shipments" not in page.text


async def test_complete_address_asks_to_compare_the_code_rfc8628_3_3_1(house: Any, person: Any) -> None:
    device = await begin(house)
    await person.go(device["verification_uri_complete"])
    page = await person.sign_in("clara")
    assert "Does your device show exactly this code?" in page.text
    assert f'value="{device["user_code"]}"' in page.text
    assert await error(house, device) == "authorization_pending"
    page = await person.submit()
    assert "Allow" in page.text


@pytest.mark.parametrize(
    "change", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:4]} {code[5:]} "]
)
async def test_code_may_be_typed_in_any_form_rfc8628_6_1(house: Any, person: Any, change: Any) -> None:
    device = await begin(house)
    assert "Allow" in (await enter(person, change(device["user_code"]))).text


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDF-GHJA", "BCDF-GHJ1", "<script>", "x" * 2000, "ẞẞẞẞẞẞẞẞ"])
async def test_what_is_no_code_is_explained(house: Any, person: Any, typed: str) -> None:
    page = await enter(person, typed)
    assert page.status_code == 400
    assert "eight letters" in page.text
    assert f'value="{escape(typed)[:32]}"' in page.text  # to be corrected, not typed again
    assert (await person.go("/device", user_code=typed)).status_code == 200


async def test_unknown_used_and_expired_codes_have_the_same_words(house: Any, person: Any) -> None:
    used, old = await begin(house), await begin(house)
    await decide(person, used["user_code"], "allow")
    pages = [await enter(person, "BCDF-GHJK"), await enter(person, used["user_code"])]
    house.clock.advance(timedelta(minutes=10))
    pages.append(await enter(person, old["user_code"]))
    assert {page.status_code for page in pages} == {404}
    assert all("No device is waiting with this code." in page.text for page in pages)


async def test_wrong_codes_are_limited_rfc8628_5_1(house: Any, person: Any) -> None:
    device = await begin(house)
    codes = [(await enter(person, "BCDF-GHJK")).status_code for _ in range(11)]
    assert codes == [404] * 10 + [429]
    slowed = await enter(person, device["user_code"])
    assert slowed.status_code == 429
    house.clock.advance(timedelta(seconds=int(slowed.headers["retry-after"])))
    assert "Allow" in (await enter(person, device["user_code"])).text


async def test_right_codes_do_not_count(house: Any, person: Any) -> None:
    for _ in range(12):
        device = await begin(house)
        assert "Allow" in (await enter(person, device["user_code"])).text


async def test_deny_is_access_denied(house: Any, person: Any) -> None:
    device = await begin(house)
    page = await decide(person, device["user_code"], "deny")
    assert "The device has got no access" in page.text
    assert await error(house, device) == "access_denied"
    house.clock.advance(timedelta(hours=1))
    assert await error(house, device) == "access_denied"
    assert await house.events("ConsentGranted") == []


async def test_polling_too_fast_is_slow_down_and_costs_five_seconds_more_rfc8628_3_5(house: Any) -> None:
    device = await begin(house)

    async def after(seconds: float) -> str:
        house.clock.advance(timedelta(seconds=seconds))
        return await error(house, device)

    assert await after(0) == "authorization_pending"
    assert await after(5) == "authorization_pending"
    assert await after(4) == "slow_down"
    assert await after(9) == "slow_down"
    assert await after(14) == "slow_down"
    assert await after(20) == "authorization_pending"
    assert await after(19) == "slow_down"


async def test_nobody_answers_in_time_is_expired_token(house: Any, person: Any) -> None:
    device = await begin(house)
    page = await enter(person, device["user_code"])
    house.clock.advance(timedelta(minutes=10))
    assert await error(house, device) == "expired_token"
    person.page = page
    late = await person.submit(decision="allow")
    assert late.status_code == 409
    assert "no longer waiting" in late.text
    assert await error(house, device) == "expired_token"


async def test_approval_in_the_last_second_comes_before_the_expiry(house: Any, person: Any) -> None:
    device = await begin(house)
    house.clock.advance(timedelta(minutes=10) - timedelta(seconds=1))
    await decide(person, device["user_code"], "allow")
    house.clock.advance(timedelta(seconds=6))
    assert (await poll(house, device)).status_code == 200


async def test_approval_is_not_good_for_ever(house: Any, person: Any) -> None:
    device = await begin(house)
    await decide(person, device["user_code"], "allow")
    house.clock.advance(timedelta(minutes=10))
    assert await error(house, device) == "expired_token"


async def test_device_code_is_bound_to_its_client(house: Any, person: Any) -> None:
    device = await begin(house)
    await decide(person, device["user_code"], "allow")
    assert await error(house, device, client_id="gui-proj") == "invalid_grant"
    assert (await poll(house, device)).status_code == 200


async def test_of_parallel_polls_one_gets_tokens(house: Any, person: Any) -> None:
    device = await begin(house)
    await decide(person, device["user_code"], "allow")
    answers = await asyncio.gather(*(poll(house, device) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49


@pytest.mark.parametrize(
    ("changes", "code"), [({"device_code": ""}, "invalid_request"), ({"device_code": "x"}, "invalid_grant")]
)
async def test_missing_or_unknown_device_code(house: Any, changes: dict[str, str], code: str) -> None:
    assert await error(house, {"device_code": "-"}, **changes) == code


async def test_second_answer_is_a_friendly_page(house: Any, person: Any) -> None:
    device = await begin(house)
    page = await enter(person, device["user_code"])
    await person.submit(decision="allow")
    person.page = page
    again = await person.submit(decision="deny")
    assert again.status_code == 409
    assert "no longer waiting" in again.text
    assert (await poll(house, device)).status_code == 200


async def test_of_parallel_answers_one_counts(house: Any, person: Any) -> None:
    device = await begin(house)
    await enter(person, device["user_code"])
    form = {name: re.search(rf'name="{name}" value="([^"]+)"', person.page.text) for name in ("csrf", "request")}
    fields = {name: match[1] for name, match in form.items() if match}
    answers = await asyncio.gather(
        *(person.http.post("/device/confirm", data=fields | {"decision": "allow"}) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * 4
    assert len(await house.events("ConsentGranted")) == 1


async def test_nothing_for_the_role_is_said_on_the_page(house: Any, person: Any) -> None:
    device = await begin(house, scope="shipments:scan")
    page = await enter(person, device["user_code"], "erin")
    assert page.status_code == 403
    assert "Not for your role" in page.text


async def test_confirmation_of_one_person_is_none_for_another(house: Any, person: Any, stranger: Any) -> None:
    device = await begin(house)
    await enter(person, device["user_code"])
    await stranger.sign_in("dan")
    page = await stranger.go(str(person.page.url.copy_with(scheme=None, host=None, port=None)))
    assert "Does your device show exactly this code?" in page.text
    assert "Dan Driver" in page.text
    form = {"request": PageForm(person.page.text).fields["request"], "csrf": PageForm(page.text).fields["csrf"]}
    answer = await stranger.http.post("/device/confirm", data=form | {"decision": "allow"})
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/signin")
    assert await error(house, device) == "authorization_pending"


async def test_answer_is_for_one_device_and_no_other(house: Any, person: Any) -> None:
    allowed, denied, waiting = [await begin(house) for _ in range(3)]
    await decide(person, allowed["user_code"], "allow")
    await decide(person, denied["user_code"], "deny")
    assert await error(house, waiting) == "authorization_pending"
    assert await error(house, denied) == "access_denied"
    assert (await poll(house, allowed)).status_code == 200
    await decide(person, waiting["user_code"], "allow")
    assert (await poll(house, waiting)).status_code == 200


@pytest.mark.parametrize("over", ["expired", "its client is disabled"])
async def test_nothing_is_asked_for_a_device_that_is_over(house: Any, person: Any, over: str) -> None:
    await enter(person, (await begin(house))["user_code"])
    asked = str(person.page.url.copy_with(scheme=None, host=None, port=None))
    if over == "expired":
        house.clock.advance(timedelta(minutes=10))
    else:
        await house.app.ledger.database.work(lambda c: house.app.revocation.disable_client(c, "cli-proj"))
        house.clock.advance(UNSEEN_FOR)
    answer = await person.go(asked)
    assert answer.status_code == 409
    assert "no longer waiting" in answer.text


@pytest.mark.parametrize("confirming", [False, True])
async def test_who_was_signed_out_meanwhile_signs_in_first(house: Any, person: Any, confirming: bool) -> None:
    device = await begin(house)
    await enter(person, device["user_code"])
    if not confirming:
        await person.go("/device")
    clara = await house.app.ledger.database.read(lambda c: users.find_by_username(c, "clara"))
    await house.app.ledger.database.work(lambda c: users.end_sign_ins(c, clara.user_id, house.clock()))
    answer = await person.submit(**({"decision": "allow"} if confirming else {"user_code": device["user_code"]}))
    assert 'name="password"' in answer.text
    assert await error(house, device) == "authorization_pending"


async def test_forged_confirmation_is_a_page(person: Any) -> None:
    await person.sign_in("clara")
    for sealed in ("", "x", "x.y"):
        assert (await person.http.get("/device/confirm", params={"request": sealed})).status_code == 409


async def test_device_dies_with_the_session_that_approved_it(house: Any, person: Any) -> None:
    device = await begin(house)
    await decide(person, device["user_code"], "allow")
    await person.sign_out()
    assert await error(house, device) == "invalid_grant"


async def test_codes_are_hashed_at_rest(house: Any, folder: Any) -> None:
    device = await begin(house)
    for secret in (device["device_code"], device["user_code"], device["user_code"].replace("-", "")):
        assert not [file for file in folder.iterdir() if secret.encode() in file.read_bytes()]


async def test_pages_need_their_csrf_token(house: Any, person: Any) -> None:
    device = await begin(house)
    await enter(person, device["user_code"])
    for path in ("/device", "/device/confirm"):
        answer = await person.http.post(path, data={"user_code": device["user_code"], "decision": "allow"})
        assert answer.status_code == 403


async def test_beginnings_from_one_address_are_limited_and_others_go_on(house: Any, person: Any, stranger: Any) -> None:
    form = {"client_id": "cli-proj", "scope": SCOPE}
    answers = [await stranger.http.post("/device_authorization", data=form) for _ in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    refusal = answers[-1]
    assert refusal.json()["error"] == "temporarily_unavailable"
    assert refusal.headers["retry-after"] == "20"
    assert refusal.headers["cache-control"] == "no-store"
    assert (await person.http.post("/device_authorization", data=form)).status_code == 200
    gui = form | {"client_id": "gui-proj"}
    assert (await stranger.http.post("/device_authorization", data=gui)).status_code == 200
    house.clock.advance(timedelta(seconds=20))
    assert (await stranger.http.post("/device_authorization", data=form)).status_code == 200
    assert (await stranger.http.post("/device_authorization", data=form)).status_code == 429


async def test_all_addresses_together_cannot_fill_the_table(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorization, "BEGUN_IN_ALL", Limit(5, timedelta(seconds=1)))
    form = {"client_id": "cli-proj", "scope": SCOPE}
    statuses = []
    for number in range(7):
        async with browsing(house, address=f"2001:db8:{number}::1") as somebody:
            statuses.append((await somebody.http.post("/device_authorization", data=form)).status_code)
    assert statuses == [200] * 5 + [429] * 2
    kept = house.app.ledger.database.lookup(lambda c: c.exec_driver_sql("SELECT count(*) FROM device_codes").scalar())
    assert kept == 5
