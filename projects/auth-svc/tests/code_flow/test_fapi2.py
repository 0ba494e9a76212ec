"""The rules of the FAPI 2.0 Security Profile at the authorization side (section 5.3.2.2)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc import jwk, jws

from auth_svc.clients import NewClient
from auth_svc.protocol import AUTHORIZATION_CODE
from auth_svc.settings import Settings
from auth_svc.testing import CHALLENGE, House, Person, settings_in
from lib_one.event import new_id
from lib_one.http import Response

KEY = jwk.ECKey.generate_key("P-256", {"kid": "ec"})
CALLBACK = "https://bank.example/callback"


class Bank:
    """A client under the rules of FAPI 2.0."""

    def __init__(self, house: House, person: Person) -> None:
        self.house = house
        self.person = person

    async def register(self, **changes: Any) -> None:
        usual: dict[str, Any] = {
            "client_id": "bank",
            "client_name": "Bank",
            "profile": "fapi2",
            "token_endpoint_auth_method": "private_key_jwt",
            "grant_types": (AUTHORIZATION_CODE,),
            "scope": "openid shipments:read",
            "redirect_uris": (CALLBACK,),
            "jwks": {"keys": [dict(KEY.as_dict(private=False))]},
        }
        new = NewClient(**(usual | changes))
        await self.house.app.ledger.database.work(lambda c: self.house.app.registration.ensure(c, new))
        self.house.app.clients.forget("bank")

    def sign(self, claims: dict[str, Any]) -> str:
        return jws.serialize_compact({"alg": "ES256", "kid": "ec"}, msgspec.json.encode(claims), KEY)

    def assertion(self) -> dict[str, str]:
        now = int(self.house.clock().timestamp())
        claims = {"iss": "bank", "sub": "bank", "aud": self.house.issuer, "exp": now + 60, "jti": new_id()}
        return {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.sign(claims),
        }

    async def push(self, **changes: str | None) -> Response:
        asked = {"client_id": "bank", "redirect_uri": CALLBACK, "scope": "openid shipments:read"}
        form = self.person.request(**(asked | changes)) | self.assertion()
        return await self.house.post("/par", form)

    async def code(self) -> str:
        uri = (await self.push()).json()["request_uri"]
        await self.person.go("/authorize", client_id="bank", request_uri=uri)
        await self.person.sign_in("clara")
        await self.person.submit(decision="allow")
        return self.person.answer["code"]


@pytest.fixture
def settings(folder: Path) -> Settings:
    return settings_in(folder, code_life=timedelta(minutes=10))


@pytest.fixture
async def bank(house: House, person: Person) -> Bank:
    bank = Bank(house, person)
    await bank.register()
    return bank


async def test_pushed_request_gives_a_code_with_iss(bank: Bank) -> None:
    assert await bank.code()
    assert bank.person.answer["iss"] == bank.house.issuer
    assert bank.person.page.status_code == 303


async def test_ordinary_request_is_refused(bank: Bank) -> None:
    await bank.person.authorize(client_id="bank", redirect_uri=CALLBACK)
    assert bank.person.answer["error"] == "invalid_request"
    assert "PAR" in bank.person.answer["error_description"]


async def test_push_without_client_authentication_is_refused(bank: Bank) -> None:
    refused = await bank.house.post("/par", bank.person.request(client_id="bank", redirect_uri=CALLBACK))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


async def test_reference_lives_less_than_ten_minutes(bank: Bank) -> None:
    assert (await bank.push()).json()["expires_in"] < 600


@pytest.mark.parametrize(
    "changes",
    [{"redirect_uri": None}, {"code_challenge_method": "plain"}, {"code_challenge": None}, {"response_type": "token"}],
)
async def test_redirect_uri_and_s256_are_required(bank: Bank, changes: dict[str, str | None]) -> None:
    assert (await bank.push(**changes)).status_code == 400


async def test_redirect_uri_is_https_or_loopback(bank: Bank) -> None:
    private, loopback = "com.example.bank:/callback", "http://127.0.0.1/callback"
    await bank.register(redirect_uris=(private, loopback))
    assert (await bank.push(redirect_uri=private)).json()["error"] == "invalid_request"
    assert (await bank.push(redirect_uri=loopback)).status_code == 201


async def test_public_client_is_refused(bank: Bank) -> None:
    await bank.register(token_endpoint_auth_method="none", jwks=None)
    refused = await bank.house.post("/par", bank.person.request(client_id="bank", redirect_uri=CALLBACK))
    assert refused.status_code in {400, 401}
    await bank.person.authorize(client_id="bank", redirect_uri=CALLBACK)
    assert "code" not in bank.person.answer


async def test_code_lives_sixty_seconds_whatever_the_setting_says(bank: Bank, person: Person) -> None:
    from auth_svc.code_flow.store import codes

    await bank.code()
    await person.code("clara")
    rows = await bank.house.app.ledger.database.read(lambda c: c.execute(codes.select()).all())
    lives = {row.client_id: row.expires_at - bank.house.clock() for row in rows}
    assert lives == {"bank": timedelta(seconds=60), "cli-proj": timedelta(minutes=10)}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 201),
        ({"aud": None}, 400),
        ({"nbf": None}, 400),
        ({"exp": None}, 400),
        ({"nbf": -3700}, 400),
        ({"nbf": -60, "exp": 3570}, 400),
        ({"nbf": -60, "exp": 3500}, 201),
        ({"aud": ["http://127.0.0.1:8400"]}, 201),
    ],
)
async def test_signed_request_is_recent_and_for_us_fapi2_message_signing_5_3_1(
    bank: Bank, changes: dict[str, Any], status: int
) -> None:
    now = int(bank.house.clock().timestamp())
    moments = {name: now + value for name, value in changes.items() if isinstance(value, int)}
    usual = {
        "iss": "bank",
        "aud": bank.house.issuer,
        "nbf": now,
        "exp": now + 300,
        "client_id": "bank",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    claims = {name: value for name, value in (usual | changes | moments).items() if value is not None}
    form = {"client_id": "bank", "request": bank.sign(claims)} | bank.assertion()
    assert (await bank.house.post("/par", form)).status_code == status


class TestServerUnderFapi2:
    """`AUTH_SVC_PROFILE=fapi2`."""

    @pytest.fixture
    def settings(self, folder: Path) -> Settings:
        return settings_in(folder, profile="fapi2")

    async def test_metadata_says_that_requests_must_be_pushed(self, house: House) -> None:
        document = (await house.http.get("/.well-known/openid-configuration")).json()
        assert document["require_pushed_authorization_requests"] is True

    async def test_client_without_a_profile_of_its_own_keeps_the_rules(self, house: House, person: Person) -> None:
        await person.authorize()
        assert person.answer["error"] == "invalid_request"
