"""Software statements (RFC 7591 sections 2.3 and 3.1.1)."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from pydantic import ValidationError

from auth_svc.keys import TrustedIssuersError
from auth_svc.registration import read_software_issuers
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in

THEM = "https://directory.example"
KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})
SOMEBODYS = ECKey.generate_key("P-256", parameters={"kid": "one"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
TRUSTED = [{"issuer": THEM, "jwks": KeySet([KEY, RSA]).as_dict(private=False)}]
ALGORITHMS = ["ES256", "RS256", "PS256", "HS256"]


@pytest.fixture
def settings(folder: Path, request: pytest.FixtureRequest) -> Settings:
    file = folder / "software.json"
    file.write_text(json.dumps(TRUSTED))
    usual: dict[str, Any] = {"registration": "open", "software_issuers_file": file}
    return settings_in(folder, **(usual | getattr(request, "param", {})))


def statement(*, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A good statement, with changes; `...` leaves a claim out."""
    usual = {"iss": THEM, "software_id": "4711", "client_name": "Reading list by Directory"}
    claims = {name: value for name, value in (usual | changes).items() if value is not ...}
    named = {"alg": "ES256"} | ({"kid": key.kid} if key.kid else {}) | (header or {})
    signed: str = jwt.encode(named, claims, key, algorithms=ALGORITHMS)
    return signed


async def must_be(registrant: Any, code: str, token: Any) -> None:
    answer = await registrant.register(software_statement=token)
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_what_the_statement_says_wins_and_it_is_told_again_unmodified_rfc7591_3_1_1_and_3_2_1(
    registrant: Any, person: Any, house: House
) -> None:
    uri = "https://directory.example/callback"
    token = statement(redirect_uris=[uri], contacts=None)
    answer = await registrant.register(software_statement=token, client_name="Evil twin", contacts=["a@b.example"])
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["software_statement"] == token
    assert (told["client_name"], told["redirect_uris"]) == ("Reading list by Directory", [uri])
    assert told["software_id"] == "4711"
    assert told["contacts"] == ["a@b.example"]  # of what it does not say, or says null of, the client's word counts
    assert (await registrant.manage("GET", told)).json()["software_statement"] == token
    code = await person.code(client_id=told["client_id"], redirect_uri=uri, scope="openid")
    assert (await person.redeem(code, client_id=told["client_id"], redirect_uri=uri)).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
async def test_rsa_is_taken_as_the_rfc_recommends_rfc7591_2_3(registrant: Any, algorithm: str) -> None:
    token = statement(key=RSA, header={"alg": algorithm})
    assert (await registrant.register(software_statement=token)).json()["software_id"] == "4711"


async def test_a_statement_gives_no_more_than_a_client_may_ask_for(registrant: Any, house: House) -> None:
    token = statement(profile="fapi2", may_impersonate=True, resource=house.resource, software_statement="another")
    told = (await registrant.register(software_statement=token)).json()
    assert told["software_statement"] == token
    client = house.app.clients.find(told["client_id"])
    assert client is not None
    assert (client.resource, client.profile, client.may_impersonate) == (None, "oauth21", False)
    answer = await registrant.register(software_statement=statement(grant_types=["client_credentials"]))
    assert answer.json()["error"] == "invalid_client_metadata"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "e30.e30.e30",
        17,
        ["x"],
        {"client_name": "Unsigned"},
        statement(key=SOMEBODYS),
        f"{base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip('=')}.{statement().split('.')[1]}.",
        statement(key=OctKey.import_key(json.dumps(TRUSTED[0]["jwks"])), header={"alg": "HS256"}),
        statement().rpartition(".")[0] + ".",
        statement().rpartition(".")[0] + "." + statement(software_id="4712").rpartition(".")[2],
        statement(header={"typ": "at+jwt"}),
        statement(header={"kid": "another"}),
        statement(iss=...),
        statement(iss=[THEM]),
        statement(exp=1),
        statement(exp="tomorrow"),
        statement(nbf=2**40),
    ],
)
async def test_what_is_not_signed_by_its_issuer_or_not_good_now_is_invalid_rfc7591_3_2_2(
    registrant: Any, token: Any
) -> None:
    await must_be(registrant, "invalid_software_statement", token)


async def test_an_issuer_or_an_audience_that_is_another_is_unapproved_rfc7591_3_2_2(
    registrant: Any, house: House
) -> None:
    await must_be(registrant, "unapproved_software_statement", statement(iss="https://directory.example/"))
    for audience in ("https://other.example", ["https://other.example"], []):
        await must_be(registrant, "unapproved_software_statement", statement(aud=audience))
    for audience in (house.issuer, ["https://other.example", house.issuer]):
        assert (await registrant.register(software_statement=statement(aud=audience))).status_code == 201


async def test_an_update_shows_a_good_statement_or_has_none_rfc7592_2_2(registrant: Any, house: House) -> None:
    at = int(house.clock().timestamp())
    known = (await registrant.register(software_statement=statement(exp=at + 60, nbf=at + 5))).json()
    said = {name: known[name] for name in ("client_id", "redirect_uris", "software_statement")}
    said |= {"token_endpoint_auth_method": "none", "client_name": "Evil twin"}
    changed = await registrant.manage("PUT", known, said)
    assert changed.json()["client_name"] == "Reading list by Directory", changed.text
    house.clock.advance(timedelta(seconds=60))
    assert (await registrant.manage("PUT", known, said)).json()["error"] == "invalid_software_statement"
    del said["software_statement"]
    without = (await registrant.manage("PUT", known, said)).json()
    assert without["client_name"] == "Evil twin"
    assert {"software_statement", "software_id"}.isdisjoint(without)


@pytest.mark.parametrize("settings", [{"require_software_statement": True}], indirect=True)
async def test_where_one_is_required_nobody_registers_without(registrant: Any) -> None:
    for nothing in (..., None):
        await must_be(registrant, "invalid_software_statement", nothing)
    known = (await registrant.register(software_statement=statement())).json()
    said = {name: known[name] for name in ("client_id", "redirect_uris")}
    assert (await registrant.manage("PUT", known, said)).json()["error"] == "invalid_software_statement"


@pytest.mark.parametrize("settings", [{"software_issuers_file": None}], indirect=True)
async def test_where_nobody_is_trusted_statements_are_ignored_and_not_told_rfc7591_3_1_1(registrant: Any) -> None:
    told = (await registrant.register(software_statement=statement())).json()
    assert told["client_name"] == "Reading list"
    assert {"software_statement", "software_id"}.isdisjoint(told)


def test_requiring_statements_of_nobody_refuses_to_start(folder: Path) -> None:
    with pytest.raises(ValidationError, match="SOFTWARE_ISSUERS_FILE"):
        settings_in(folder, require_software_statement=True)


@pytest.mark.parametrize("content", ["", "[{}]", json.dumps([TRUSTED[0] | {"clients": []}])])
def test_a_file_that_does_not_have_the_shape_refuses_to_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "software.json"
    file.write_text(content)
    with pytest.raises(TrustedIssuersError, match=r"software\.json"):
        read_software_issuers(file)
