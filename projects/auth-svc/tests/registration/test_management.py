"""A client looks after its registration (RFC 7592)."""

from datetime import timedelta
from typing import Any

import pytest

from auth_svc.testing import House


def body_of(known: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a client sends to change itself: all that it was told, without what is read-only."""
    read_only = (
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    )
    said = {name: value for name, value in known.items() if name not in read_only} | changes
    return {name: value for name, value in said.items() if value is not ...}


@pytest.fixture
async def known(registrant: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await registrant.register(token_endpoint_auth_method=...)).json()
    return answer


async def test_reading_tells_all_but_the_secret_rfc7592_2_1(registrant: Any, known: dict[str, Any]) -> None:
    answer = await registrant.manage("GET", known)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    kept = {name: value for name, value in known.items() if name not in {"client_secret", "client_secret_expires_at"}}
    assert answer.json() == kept


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_wrong_token_and_an_unknown_client_are_401_rfc7592_2(
    registrant: Any, known: dict[str, Any], house: House, method: str
) -> None:
    other = (await registrant.register()).json()
    path = "/client_registration"
    for how in (
        {"token": "wrong"},
        {"token": other["registration_access_token"]},
        {"token": ""},
        {"uri": path},
        {"uri": f"{path}?client_id=nobody"},
        {"uri": f"{path}?client_id=cli-proj"},
        {"uri": other["registration_client_uri"]},
    ):
        answer = await registrant.manage(method, known, body_of(known), **how)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert house.app.clients.find(known["client_id"]) is not None


async def test_an_update_replaces_all_rfc7592_2_2(registrant: Any, known: dict[str, Any], house: House) -> None:
    more = await registrant.manage("PUT", known, body_of(known, contacts=["a@reader.example"], client_name="Reader"))
    assert more.status_code == 200, more.text
    assert more.json()["contacts"] == ["a@reader.example"]
    assert "client_secret" not in more.json()
    less = (await registrant.manage("PUT", known, body_of(known, client_name="Reader"))).json()
    assert "contacts" not in less
    assert less["client_name"] == "Reader"
    assert less["client_id_issued_at"] == known["client_id_issued_at"]
    assert [event.data.aggregate() for event in await house.events("ClientChanged")] == [known["client_id"]] * 2


async def test_an_update_without_the_secret_gives_another_rfc7592_2_2(
    registrant: Any, known: dict[str, Any], house: House
) -> None:
    told = (await registrant.manage("PUT", known, body_of(known, client_secret=...))).json()
    assert told["client_secret"] != known["client_secret"]
    form = {"token": "x"}
    for secret, status in ((known["client_secret"], 401), (told["client_secret"], 200)):
        answer = await house.http.post("/revoke", data=form, headers=house.basic(known["client_id"], secret))
        assert answer.status_code == status


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ...},
        {"client_id": "cli-proj"},
        {"client_secret": "another secret"},
        {"client_secret": 7},
        {"client_id_issued_at": 1},
        {"client_secret_expires_at": 0},
        {"registration_access_token": "x"},
        {"registration_client_uri": "x"},
        {"grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
)
async def test_an_unfit_update_changes_nothing_rfc7592_2_2(
    registrant: Any, known: dict[str, Any], changes: dict[str, Any]
) -> None:
    answer = await registrant.manage("PUT", known, body_of(known, **changes))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert (await registrant.manage("GET", known)).json()["client_name"] == known["client_name"]


async def test_a_client_that_loses_a_scope_loses_its_tokens(
    registrant: Any, known: dict[str, Any], house: House
) -> None:
    tokens = await house.tokens(client=known["client_id"], scope="openid shipments:read")
    assert (await registrant.manage("PUT", known, body_of(known, scope="openid"))).status_code == 200
    assert not await house.active(tokens["access_token"])


async def test_a_client_becomes_public_and_its_secret_worthless(
    registrant: Any, known: dict[str, Any], house: House
) -> None:
    said = body_of(known, token_endpoint_auth_method="none", client_secret=...)
    told = (await registrant.manage("PUT", known, said)).json()
    assert "client_secret" not in told
    headers = house.basic(known["client_id"], known["client_secret"])
    assert (await house.http.post("/revoke", data={"token": "x"}, headers=headers)).status_code == 401


async def test_deleting_ends_everything_and_the_id_is_gone_rfc7592_2_3(
    registrant: Any, known: dict[str, Any], house: House, person: Any
) -> None:
    tokens = await house.tokens(client=known["client_id"], scope="openid shipments:read")
    answer = await registrant.manage("DELETE", known)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert not await house.active(tokens["access_token"])
    assert (await registrant.manage("GET", known)).status_code == 401
    assert (await registrant.manage("DELETE", known)).status_code == 401
    assert await house.events("ClientDeleted")
    await person.authorize(client_id=known["client_id"], redirect_uri="https://reader.example/callback")
    assert person.page.status_code == 400


async def test_a_client_of_an_operator_has_no_such_token(registrant: Any, house: House) -> None:
    known = {"registration_access_token": house.secret, "registration_client_uri": "/client_registration?client_id=web"}
    assert (await registrant.manage("DELETE", known)).status_code == 401


async def test_a_disabled_client_manages_nothing(registrant: Any, known: dict[str, Any], house: House) -> None:
    from auth_svc.clients import disable

    now = house.clock()
    await house.app.ledger.database.work(lambda connection: disable(connection, known["client_id"], now))
    house.clock.advance(timedelta(seconds=1))
    assert (await registrant.manage("PUT", known, body_of(known))).status_code == 401
