"""Pairwise subjects: what a client knows a person by helps it nowhere else (OIDC Core section 8.1)."""

import json
from pathlib import Path
from typing import Any

import pytest

from auth_svc.clients import ClientMetadata, NewClient, RegistrationError, find, sector_of
from auth_svc.protocol import TOKEN_EXCHANGE
from auth_svc.testing import SECRET, SEED, VERIFIER, House
from auth_svc.users import find_by_username
from lib_one.http import Response
from lib_one.testing import eventually

SCOPE = "openid profile offline_access shipments:read"


def client(client_id: str, host: str | None = None, **metadata: Any) -> NewClient:
    usual: dict[str, Any] = {
        "client_name": client_id.title(),
        "secret": SECRET,
        "grant_types": ("authorization_code", "refresh_token"),
        "scope": SCOPE,
        "redirect_uris": (f"https://{host or client_id}.example/cb",),
        "subject_type": "pairwise",
    }
    return NewClient(client_id=client_id, **usual | metadata)


async def register(house: House, *clients: NewClient) -> None:
    for new in clients:
        await house.app.ledger.database.work(lambda c, new=new: house.app.registration.add(c, new))


@pytest.fixture(autouse=True)
async def registered(house: House) -> None:
    """Two clients of one sector, and one of another."""
    await register(house, client("north"), client("south", "north"), client("west"))


async def tokens(house: House, person: Any, of: str, username: str = "clara") -> dict[str, Any]:
    """What this client gets for this person by the code flow."""
    known = await house.app.ledger.database.read(lambda c: find(c, of))
    assert known is not None
    code = await person.code(username, client_id=of, redirect_uri=known.redirect_uris[0], scope=SCOPE)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    answer = await house.post("/token", form, client=of)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def user_id(house: House, username: str = "clara") -> str:
    user = await house.app.ledger.database.read(lambda c: find_by_username(c, username))
    assert user is not None
    return user.user_id


async def test_each_sector_knows_a_person_by_another_sub_oidc_8_1(house: House, person: Any) -> None:
    names = ("north", "south", "west")
    subs = {name: house.claims((await tokens(house, person, name))["id_token"])["sub"] for name in names}
    assert subs["north"] == subs["south"] != subs["west"]
    assert await user_id(house) not in subs.values()
    again = house.claims((await tokens(house, person, "west"))["id_token"])["sub"]
    assert again == subs["west"]


async def test_two_people_are_two_in_one_sector_oidc_2(house: House, person: Any, stranger: Any) -> None:
    clara = house.claims((await tokens(house, person, "north"))["id_token"])["sub"]
    dan = house.claims((await tokens(house, stranger, "north", "dan"))["id_token"])["sub"]
    assert clara != dan
    assert len(clara) <= 255
    assert clara.isascii()


async def test_the_client_hears_of_no_other_sub_anywhere_oidc_5_3_2(house: House, person: Any) -> None:
    found = await tokens(house, person, "north")
    sub = house.claims(found["id_token"])["sub"]
    header = {"authorization": f"Bearer {found['access_token']}"}
    told = (await house.http.get("/userinfo", headers=header)).json()
    assert (told["sub"], told["preferred_username"]) == (sub, "clara")
    assert house.claims(found["access_token"])["sub"] == sub
    for token in (found["access_token"], found["refresh_token"]):
        introspected = (await house.post("/introspect", {"token": token}, client="north")).json()
        assert (introspected["active"], introspected["sub"]) == (True, sub)
    form = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
    fresh = (await house.post("/token", form, client="north")).json()
    for name in ("access_token", "id_token"):  # OIDC Core section 12.2
        assert house.claims(fresh[name])["sub"] == sub
    secret = await user_id(house)
    assert secret not in json.dumps([told, introspected, house.claims(fresh["access_token"])])


async def test_public_clients_know_the_user_id(house: House) -> None:
    found = await house.tokens("clara")
    assert house.claims(found["id_token"])["sub"] == await user_id(house)
    assert "user_id" not in house.claims(found["access_token"])


async def test_revocation_of_a_person_reaches_every_name_of_theirs(house: House, person: Any) -> None:
    found = await tokens(house, person, "north")
    secret, sub = await user_id(house), house.claims(found["access_token"])["sub"]
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, secret))
    answer = await house.post("/introspect", {"token": found["access_token"]}, client="north")
    assert answer.json() == {"active": False}
    assert {event.data.aggregate() for event in await house.events("SubjectRevoked")} == {secret, sub}


async def test_token_of_a_closed_account_is_no_good(house: House, person: Any) -> None:
    found = await tokens(house, person, "north")
    secret = await user_id(house)
    await house.app.ledger.database.work(lambda c: house.app.accounts.disable(c, secret))
    header = {"authorization": f"Bearer {found['access_token']}"}
    assert (await house.http.get("/userinfo", headers=header)).status_code == 401
    assert not (await house.post("/introspect", {"token": found["access_token"]}, client="north")).json()["active"]


async def silent(person: Any, **params: str) -> dict[str, str]:
    await person.authorize(
        client_id="north", redirect_uri="https://north.example/cb", scope=SCOPE, prompt="none", **params
    )
    answer: dict[str, str] = person.answer
    return answer


async def test_hint_names_the_person_that_the_client_knows_oidc_3_1_2_1(house: House, person: Any) -> None:
    found = await tokens(house, person, "north")
    assert "code" in await silent(person, id_token_hint=found["id_token"])
    wanted = {"id_token": {"sub": {"value": house.claims(found["id_token"])["sub"]}}}
    assert "code" in await silent(person, claims=json.dumps(wanted))


async def test_subjects_of_others_are_nobody_so_that_none_can_be_compared_oidc_8_1(house: House, person: Any) -> None:
    await tokens(house, person, "north")
    elsewhere = await tokens(house, person, "west")
    known_to_all = await house.tokens("clara")
    for hint in (elsewhere["id_token"], known_to_all["id_token"]):
        assert (await silent(person, id_token_hint=hint))["error"] == "login_required"
    for sub in (house.claims(elsewhere["id_token"])["sub"], await user_id(house), "x" * 43):
        wanted = json.dumps({"id_token": {"sub": {"value": sub}}})
        assert (await silent(person, claims=wanted))["error"] == "login_required"


async def test_logout_token_has_the_sub_that_the_client_knows_backchannel_logout_2_4(house: House, person: Any) -> None:
    told: list[str] = []
    house.web["https://east.example/logout"] = lambda request: told.append(request.content.decode()) or Response(200)
    await register(house, client("east", backchannel_logout_uri="https://east.example/logout"))
    found = await tokens(house, person, "east")
    await person.sign_out()
    await eventually(lambda: bool(told))
    claims = house.claims(told[0].removeprefix("logout_token="))
    assert claims["sub"] == house.claims(found["id_token"])["sub"]


async def test_exchanged_token_is_about_the_same_person_rfc8693_4_1(house: House, person: Any) -> None:
    gateway = NewClient(
        client_id="gateway",
        client_name="Gateway",
        secret=SECRET,
        grant_types=(TOKEN_EXCHANGE,),
        scope="shipments:read",
        resource=house.resource,
    )
    await register(house, gateway)
    found = await tokens(house, person, "north")
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": found["access_token"],
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "resource": house.resource,
    }
    answer = await house.post("/token", form, client="gateway")
    assert answer.status_code == 200, answer.text
    assert house.claims(answer.json()["access_token"])["sub"] == await user_id(house)


@pytest.mark.parametrize(
    ("metadata", "sector"),
    [
        ({"redirect_uris": ("https://a.example/1", "https://a.example/2")}, "a.example"),
        ({"redirect_uris": ("https://a.example/1", "https://b.example/2")}, None),
        ({"redirect_uris": ("http://127.0.0.1/cb",)}, None),
        ({"redirect_uris": ("com.example.app:/cb",)}, None),
        ({"redirect_uris": ()}, None),
        ({"redirect_uris": ("com.example:/cb",), "sector_identifier_uri": "https://s.example/uris"}, "s.example"),
    ],
)
def test_sector_is_a_host_that_belongs_to_somebody_oidc_8_1(metadata: dict[str, Any], sector: str | None) -> None:
    assert sector_of(ClientMetadata(**metadata)) == sector


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({"redirect_uris": ("https://a.example/1", "https://b.example/2")}, "pairwise needs"),
        ({"redirect_uris": ("http://127.0.0.1/cb",)}, "pairwise needs"),
        ({"sector_identifier_uri": "http://s.example/uris"}, "is not https"),
        ({"sector_identifier_uri": "https://u@s.example/uris"}, "is not https"),
        ({"sector_identifier_uri": "https://[s"}, "is not https"),
    ],
)
async def test_client_without_a_sector_is_not_registered(house: House, metadata: dict[str, Any], problem: str) -> None:
    with pytest.raises(RegistrationError, match=problem):
        await register(house, client("lost", **metadata))


async def seed(house: House, folder: Path, *uris: str) -> bool:
    described = {
        "client_id": "family",
        "client_name": "Family",
        "secret": SECRET,
        "grant_types": ["authorization_code"],
        "scope": "openid",
        "redirect_uris": uris,
        "subject_type": "pairwise",
        "sector_identifier_uri": "https://s.example/uris",
    }
    (folder / "seed.json").write_text(json.dumps(SEED | {"clients": [*SEED["clients"], described]}))
    return await house.app.seeding.apply(folder / "seed.json")


async def test_sector_lists_the_redirect_uris_of_its_clients_oidc_8_1(house: House, folder: Path) -> None:
    house.web["https://s.example/uris"] = Response(200, json=["https://a.example/cb", "https://b.example/cb"])
    with pytest.raises(RegistrationError, match=r"does not list 'https://c\.example/cb'"):
        await seed(house, folder, "https://a.example/cb", "https://c.example/cb")
    assert await seed(house, folder, "https://a.example/cb", "https://b.example/cb")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Response(404), "answers 404"),
        (Response(302, headers={"location": "https://a.example"}), "answers 302"),
        (Response(200, text="<html>"), "JSON array"),
        (Response(200, json={"redirect_uris": []}), "JSON array"),
        (Response(200, json=[1]), "JSON array"),
        (None, "cannot be fetched"),
    ],
)
async def test_sector_that_does_not_answer_well_is_none_oidc_8_1(
    house: House, folder: Path, answer: Response | None, problem: str
) -> None:
    if answer is not None:
        house.web["https://s.example/uris"] = answer
    with pytest.raises(RegistrationError, match=problem):
        await seed(house, folder, "https://a.example/cb")


async def test_metadata_say_so_oidc_discovery_3(house: House) -> None:
    document = (await house.http.get("/.well-known/openid-configuration")).json()
    assert document["subject_types_supported"] == ["public", "pairwise"]
