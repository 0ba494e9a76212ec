"""Global token revocation (draft-parecki-oauth-global-token-revocation-05): all of a person, by one call."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from auth_svc import clients, users
from auth_svc.settings import Settings
from auth_svc.testing import SECRET, SEED, House, Person, settings_in
from lib_one.http import Response
from lib_one.testing import eventually

PATH = "/global-token-revocation"
SCOPE = "global_token_revocation"


@pytest.fixture
def settings(folder: Any) -> Settings:
    """With a client that watches over accounts, and two people who share an address."""
    seed = json.loads(json.dumps(SEED))
    seed["clients"].append(
        {
            "client_id": "watch",
            "client_name": "Security desk",
            "secret": SECRET,
            "grant_types": ["client_credentials"],
            "scope": f"{SCOPE} shipments:read",
        }
    )
    for name in ("pat", "kim"):
        seed["users"].append(seed["users"][0] | {"username": name, "email": "both@example.com"})
    (folder / "seed.json").write_text(json.dumps(seed))
    return settings_in(folder)


async def token(house: House, scope: str = SCOPE) -> str:
    form = {"grant_type": "client_credentials", "scope": scope}
    answer: str = (await house.post("/token", form, client="watch")).json()["access_token"]
    return answer


async def revoke(house: House, sub_id: Any, *, bearer: str | None = None) -> Any:
    bearer = await token(house) if bearer is None else bearer
    body = sub_id if isinstance(sub_id, bytes) else json.dumps({"sub_id": sub_id}).encode()
    headers = {"authorization": f"Bearer {bearer}", "content-type": "application/json"}
    return await house.http.post(PATH, content=body, headers=headers)


async def clara(house: House) -> str:
    user = await house.app.ledger.database.read(lambda c: users.find_by_username(c, "clara"))
    assert user
    return user.user_id


@pytest.mark.parametrize("kind", ["iss_sub", "opaque", "email"])
async def test_everything_of_the_person_ends_and_nothing_of_others(
    person: Person, stranger: Person, house: House, id_token: str, kind: str
) -> None:
    mine, others = await house.tokens("clara"), await house.tokens("erin")
    await stranger.sign_in("erin")
    user_id = await clara(house)
    sub_id = {
        "iss_sub": {"format": "iss_sub", "iss": house.issuer, "sub": user_id},
        "opaque": {"format": "opaque", "id": user_id},
        "email": {"format": "email", "email": "Clara@Example.com"},
    }[kind]
    answer = await revoke(house, sub_id)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not await house.active(mine["access_token"])
    assert (await house.refresh(mine["refresh_token"])).json()["error"] == "invalid_grant"
    assert "Welcome" in (await person.go("/")).text
    assert await house.active(others["access_token"])
    assert (await house.refresh(others["refresh_token"])).status_code == 200
    assert "Hello" in (await stranger.go("/")).text
    (fact,) = await house.events("SubjectRevoked")
    assert fact.data.aggregate() == user_id
    (fact,) = await house.events("UserRevoked")
    assert (fact.data.user_id, fact.data.client_id) == (user_id, "watch")  # type: ignore[attr-defined]


async def test_a_pairwise_subject_names_its_person_too_rfc9493_3_2_4(person: Person, house: House) -> None:
    new = clients.NewClient(
        client_id="north",
        client_name="North",
        secret=SECRET,
        grant_types=("authorization_code",),
        scope="openid",
        redirect_uris=("https://north.example/cb",),
        subject_type="pairwise",
    )
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, new))
    held, elsewhere = await house.tokens("clara", client="north", scope="openid"), await house.tokens("clara")
    sub = house.claims(held["access_token"])["sub"]
    assert sub != await clara(house)
    house.clock.advance(timedelta(seconds=1))
    assert (await revoke(house, {"format": "iss_sub", "iss": house.issuer, "sub": sub})).status_code == 204
    assert not await house.active(elsewhere["access_token"])
    assert (await revoke(house, {"format": "opaque", "id": "x" * 43})).status_code == 404


async def test_relying_parties_are_told_and_the_person_signs_in_again(
    person: Person, house: House, id_token: str
) -> None:
    await revoke(house, {"format": "opaque", "id": await clara(house)})
    await eventually(lambda: any(request.url.path == "/logout" for request in house.web.requests))
    house.clock.advance(timedelta(seconds=1))
    await person.authorize()
    assert 'name="password"' in person.page.text
    assert await person.redeem(await person.code())


async def test_a_code_on_its_way_gives_nothing_any_more(person: Person, house: House) -> None:
    code = await person.code()
    await revoke(house, {"format": "opaque", "id": await clara(house)})
    assert (await person.redeem(code)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"sub_id": "x"}',
        b'{"sub_id": {"id": "x"}}',
        b'{"sub_id": {"format": "phone_number", "phone_number": "+1"}}',
        b'{"sub_id": {"format": "opaque", "id": 1}}',
        b'{"sub_id": {"format": "opaque", "id": "x", "more": 1}}',
        b'{"sub_id": {"format": "iss_sub", "sub": "x"}}',
        b"\xff",
        b'{"sub_id": ' + b"[" * 5000,
    ],
)
async def test_malformed_or_unsupported_is_400(house: House, body: bytes) -> None:
    answer = await revoke(house, body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "www-authenticate" not in answer.headers


async def test_huge_body_is_413(house: House) -> None:
    assert (await revoke(house, b" " * 70_000)).status_code == 413


async def test_without_a_token_or_with_a_bad_one_it_is_401(house: House) -> None:
    answer = await house.http.post(PATH, json={"sub_id": {"format": "opaque", "id": "x"}})
    assert (answer.status_code, answer.headers["www-authenticate"].split()[0]) == (401, "Bearer")
    answer = await revoke(house, {"format": "opaque", "id": "x"}, bearer="x.y.z")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_another_scope_is_403_and_a_person_cannot_grant_it(house: House, person: Person) -> None:
    mine = await house.tokens("clara")
    answer = await revoke(house, {"format": "opaque", "id": await clara(house)}, bearer=mine["access_token"])
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert await house.active(mine["access_token"])
    await person.authorize(scope=f"openid {SCOPE}")
    await person.sign_in("otto")
    await person.submit(decision="allow")
    tokens = (await person.redeem(person.answer["code"])).json()
    assert SCOPE not in tokens["scope"]


@pytest.mark.parametrize(
    "sub_id",
    [
        {"format": "opaque", "id": "nobody"},
        {"format": "email", "email": "nobody@example.com"},
        {"format": "iss_sub", "iss": "https://other.example", "sub": "CLARA"},
    ],
)
async def test_unknown_person_is_404(house: House, sub_id: dict[str, str]) -> None:
    sub_id = {name: await clara(house) if value == "CLARA" else value for name, value in sub_id.items()}
    answer = await revoke(house, sub_id)
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown_subject")


async def test_address_of_several_people_is_422_and_ends_nothing(house: House) -> None:
    answer = await revoke(house, {"format": "email", "email": "both@example.com"})
    assert (answer.status_code, answer.json()["error"]) == (422, "ambiguous_subject")
    assert await house.events("SubjectRevoked") == []


async def test_get_is_405_and_metadata_names_the_endpoint(house: House) -> None:
    assert (await house.http.get(PATH)).status_code == 405
    metadata = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["global_token_revocation_endpoint"] == house.issuer + PATH
    assert SCOPE in metadata["scopes_supported"]


async def test_parallel_calls_all_succeed(house: House) -> None:
    bearer, user_id = await token(house), await clara(house)
    answers: list[Response] = await asyncio.gather(
        *(revoke(house, {"format": "opaque", "id": user_id}, bearer=bearer) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {204}
