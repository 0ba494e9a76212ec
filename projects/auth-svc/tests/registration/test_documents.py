"""Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document, MCP authorization 2026-07-28)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.clients import disable, is_document_id
from auth_svc.settings import Settings
from auth_svc.testing import LOOPBACK, House, settings_in
from lib_one.http import Response

ID = "https://editor.example/oauth/client.json"
GOOD: dict[str, Any] = {
    "client_id": ID,
    "client_name": "Editor",
    "redirect_uris": ["http://127.0.0.1/callback", "https://editor.example/callback"],
    "grant_types": ["authorization_code", "refresh_token"],
}


@pytest.fixture
def settings(folder: Path, request: pytest.FixtureRequest) -> Settings:
    return settings_in(folder, client_id_metadata_documents=getattr(request, "param", True))


def serve(house: House, *, cache: str = "", url: str = ID, kind: str = "application/json", **changes: Any) -> None:
    said = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    house.web[url] = Response(200, json=said, headers={"content-type": kind, "cache-control": cache})


async def must_be_unknown(person: Any, **params: str) -> None:
    await person.authorize(client_id=ID, **params)
    assert person.page.status_code == 400
    assert "not registered" in person.page.text


async def test_a_client_that_was_never_here_gets_in_and_the_person_sees_where_the_answer_goes(
    person: Any, house: House
) -> None:
    serve(house)
    await person.authorize(client_id=ID, redirect_uri="https://editor.example/callback", scope="openid shipments:read")
    await person.sign_in("clara")
    assert "Editor" in person.page.text
    assert "<strong>editor.example</strong>" in person.page.text
    await person.submit(decision="allow")
    answer = await person.redeem(person.answer["code"], client_id=ID, redirect_uri="https://editor.example/callback")
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert house.claims(token)["client_id"] == ID
    assert await house.active(token)
    assert len(house.web.requests) == 1


async def test_metadata_say_that_documents_are_read(house: House) -> None:
    for name in ("oauth-authorization-server", "openid-configuration"):
        document = (await house.http.get(f"/.well-known/{name}")).json()
        assert document["client_id_metadata_document_supported"] is True


@pytest.mark.parametrize("settings", [False], indirect=True)
async def test_switched_off_nothing_is_fetched_and_nothing_promised(person: Any, house: House) -> None:
    serve(house)
    await must_be_unknown(person)
    assert house.web.requests == []
    document = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert "client_id_metadata_document_supported" not in document


async def test_only_the_redirect_uris_of_the_document_are_answered(person: Any, house: House) -> None:
    serve(house)
    await person.authorize(client_id=ID, redirect_uri="https://evil.example/callback")
    assert person.page.status_code == 400
    assert "location" not in person.page.headers


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://editor.example/oauth/other.json"},
        {"client_id": ID + "/"},
        {"client_id": ...},
        {"client_name": ...},
        {"client_name": ""},
        {"redirect_uris": ...},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"client_secret": "s" * 43},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": ["none"]},
        {"grant_types": ["client_credentials"]},
        {"kind": "text/html"},
        {"client_uri": "x" * 20_000},
    ],
)
async def test_a_document_that_does_not_fit_is_no_client(person: Any, house: House, changes: dict[str, Any]) -> None:
    serve(house, **changes)
    await must_be_unknown(person)
    await must_be_unknown(person)
    assert len(house.web.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response(404),
        Response(500),
        Response(302, headers={"location": "https://editor.example/elsewhere.json"}),
        Response(200, content=b"{", headers={"content-type": "application/json"}),
        Response(200, content=b"[]", headers={"content-type": "application/json"}),
        Response(200, content=b"[" * 10_000, headers={"content-type": "application/json"}),
        Response(200, content=b"x" * 70_000, headers={"content-type": "application/json"}),
    ],
)
async def test_what_is_no_document_is_no_client_and_no_redirect_is_followed(
    person: Any, house: House, answer: Response
) -> None:
    house.web[ID] = answer
    await must_be_unknown(person)
    assert len(house.web.requests) == 1


@pytest.mark.parametrize(
    "client_id",
    [
        "https://editor.example",
        "https://editor.example/",
        "http://editor.example/client.json",
        "https://editor.example/a/../client.json",
        "https://editor.example/./client.json",
        "https://user@editor.example/client.json",
        "https://editor.example/client.json#x",
        "https://EDITOR.example/client.json",
        "https://editor.example/" + "x" * 128,
        "https:///client.json",
        "https://editor.example/ä",
        "https://editor.example/a b",
        "web",
    ],
)
def test_other_texts_are_no_addresses_of_documents(client_id: str) -> None:
    assert is_document_id(ID)
    assert not is_document_id(client_id)


async def test_the_document_is_believed_as_long_as_it_says_and_then_read_again_rfc9111_5_2(
    person: Any, house: House
) -> None:
    serve(house, cache="max-age=300")
    await person.authorize(client_id=ID, redirect_uri=LOOPBACK)
    assert person.page.status_code == 200
    serve(house, redirect_uris=["https://editor.example/new"])
    house.clock.advance(timedelta(seconds=299))
    await person.authorize(client_id=ID, redirect_uri=LOOPBACK)
    assert person.page.status_code == 200
    house.clock.advance(timedelta(seconds=2))
    await person.authorize(client_id=ID, redirect_uri=LOOPBACK)
    assert person.page.status_code == 400
    await person.authorize(client_id=ID, redirect_uri="https://editor.example/new")
    assert person.page.status_code == 200
    assert len(house.web.requests) == 2


async def test_a_document_that_is_away_is_believed_for_a_while_and_one_that_is_gone_is_not(
    person: Any, house: House
) -> None:
    serve(house)
    await person.authorize(client_id=ID)
    house.web[ID] = Response(503)
    house.clock.advance(timedelta(hours=1))
    await person.authorize(client_id=ID)
    assert person.page.status_code == 200
    house.web[ID] = Response(404)
    house.clock.advance(timedelta(minutes=1))
    await must_be_unknown(person)


async def test_a_client_that_signs_is_known_by_the_keys_of_its_document(person: Any, house: House) -> None:
    from joserfc import jwk, jws

    from lib_one.event import new_id

    key = jwk.ECKey.generate_key("P-256", {"kid": "a"})
    serve(house, token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    now = int(house.clock().timestamp())
    import json

    claims = {"iss": ID, "sub": ID, "aud": house.issuer, "exp": now + 60, "jti": new_id()}
    form = {
        "token": "x",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jws.serialize_compact({"alg": "ES256", "kid": "a"}, json.dumps(claims).encode(), key),
    }
    assert (await house.post("/revoke", form)).status_code == 200
    assert (await house.post("/revoke", {"token": "x", "client_id": ID})).status_code == 401


async def test_its_events_have_subjects_without_the_address(person: Any, house: House) -> None:
    serve(house)
    await person.authorize(client_id=ID)
    registered = [event for event in await house.events("ClientRegistered") if event.data.aggregate() == ID]
    assert len(registered) == 1
    subject = registered[0].data.subject()
    assert subject.startswith("auth.evt.client.")
    assert len(subject.split(".")) == 5
    await house.app.ledger.database.work(lambda connection: house.app.revocation.revoke_client(connection, ID))
    (revoked,) = await house.events("ClientRevoked")
    assert revoked.data.aggregate() == ID


async def test_an_operator_can_shut_it_out(person: Any, house: House) -> None:
    serve(house)
    await person.authorize(client_id=ID)
    now = house.clock()
    assert await house.app.ledger.database.work(lambda connection: disable(connection, ID, now))
    house.clock.advance(timedelta(hours=1))
    await must_be_unknown(person)


async def test_strangers_cannot_make_this_server_fetch_without_end(person: Any, house: House) -> None:
    for number in range(130):
        await house.post("/token", {"grant_type": "authorization_code", "client_id": f"https://a.example/{number}"})
    assert len(house.web.requests) == 120
    house.clock.advance(timedelta(minutes=1))
    serve(house)
    await person.authorize(client_id=ID)
    assert person.page.status_code == 200
