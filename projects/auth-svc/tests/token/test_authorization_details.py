"""Authorization details (RFC 9396) wherever a scope is asked for: devices, CIBA, client credentials, exchange."""

import json
from typing import Any

import pytest

from auth_svc.clients import NewClient
from auth_svc.resources import DetailField, DetailType, Resource, Scope
from auth_svc.testing import SECRET, House, Person

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
PAYMENT = DetailType(
    type="payment",
    title="Make a payment",
    fields={"amount": DetailField(title="Amount", required=True), "creditorName": DetailField(title="To")},
)
BANK = Resource(
    identifier="https://bank.example",
    name="Bank",
    scopes=(Scope("bank", "Bank"),),
    roles={"clerk": ("bank",)},
    authorization_details=(PAYMENT, DetailType(type="balance", title="See the balance")),
)
ASKED = {"type": "payment", "amount": "123.50", "creditorName": "Merchant <A>"}
OTHER = {"type": "payment", "amount": "1"}
WRONG = [
    "x",
    "{}",
    '[{"type":"unknown"}]',
    '[{"type":"balance"}]',
    '[{"type":"payment"}]',
    '[{"type":"payment","amount":1}]',
    '[{"type":"payment","amount":"1","more":"2"}]',
]
"""No array, of no known type, of one that the client is not registered for, or not of its type."""


@pytest.fixture(autouse=True)
async def bank(house: House) -> None:
    """A resource with types of its own, the bank's own client, and one that may use a type in every way."""
    everything = NewClient(
        client_id="teller",
        client_name="Teller",
        secret=SECRET,
        grant_types=("client_credentials", "refresh_token", DEVICE, CIBA, EXCHANGE),
        scope="openid offline_access bank shipments:read",
        authorization_details_types=("payment",),
    )
    guarding = NewClient(client_id="bank", client_name="Bank", secret=SECRET, resource=BANK.identifier)

    def unit(connection: Any) -> None:
        house.app.resources.put(connection, BANK)
        house.app.registration.add(connection, everything)
        house.app.registration.add(connection, guarding)

    await house.app.ledger.database.work(unit)
    await house.app.resources.reload()


def details(*asked: Any) -> dict[str, str]:
    return {"authorization_details": json.dumps(asked)} if asked else {}


async def tokens(house: House, form: dict[str, str]) -> dict[str, Any]:
    answer = await house.post("/token", form, client="teller")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def told(house: House, token: str, client: str) -> Any:
    answer = await house.post("/introspect", {"token": token}, client=client)
    assert answer.json()["active"] is True
    return answer.json().get("authorization_details")


async def begin_device(house: House, text: str, scope: str = "openid offline_access bank") -> Any:
    form = {"scope": scope, "authorization_details": text}
    return await house.post("/device_authorization", form, client="teller")


async def begin_ciba(house: House, text: str, scope: str = "openid offline_access bank") -> Any:
    form = {"scope": scope, "login_hint": "clara", "authorization_details": text}
    return await house.post("/backchannel_authentication", form, client="teller")


async def by_device(house: House, person: Person, *asked: Any) -> tuple[str, dict[str, str]]:
    """The page that the person decides on, and what the device then sends to /token."""
    begun = (await begin_device(house, json.dumps(asked))).json()
    await person.go(begun["verification_uri_complete"])
    await person.sign_in("clara")
    page = (await person.submit()).text
    await person.submit(decision="allow")
    return page, {"grant_type": DEVICE, "device_code": begun["device_code"]}


async def by_ciba(house: House, person: Person, *asked: Any) -> tuple[str, dict[str, str]]:
    """The same for a client that asks over the back channel."""
    begun = (await begin_ciba(house, json.dumps(asked))).json()
    await person.go("/requests")
    page = (await person.sign_in("clara")).text
    await person.submit(decision="allow")
    return page, {"grant_type": CIBA, "auth_req_id": begun["auth_req_id"]}


@pytest.mark.parametrize("flow", [by_device, by_ciba])
async def test_person_elsewhere_reads_all_of_it_and_the_token_says_so_rfc9396_3(
    house: House, person: Person, flow: Any
) -> None:
    page, form = await flow(house, person, ASKED, OTHER)
    for words in ("Make a payment", "Amount", "123.50", "Merchant &lt;A&gt;"):
        assert words in page
    given = await tokens(house, form)
    assert given["authorization_details"] == [ASKED, OTHER]
    assert await told(house, given["access_token"], "bank") == [ASKED, OTHER]
    narrowed = await tokens(
        house, {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], **details(OTHER)}
    )
    assert narrowed["authorization_details"] == [OTHER]


async def test_program_is_granted_what_it_may_have_rfc9396_6(house: House) -> None:
    form = {"grant_type": "client_credentials", "scope": "bank shipments:read", **details(ASKED)}
    given = await tokens(house, form)
    assert given["authorization_details"] == [ASKED]
    assert house.claims(given["access_token"])["authorization_details"] == [ASKED]
    assert await told(house, given["access_token"], "bank") == [ASKED]
    assert await told(house, given["access_token"], "app-svc") is None


async def test_program_whose_token_is_for_another_resource_is_refused_rfc9396_6(house: House) -> None:
    for elsewhere in ({"scope": "shipments:read"}, {"resource": house.resource}):
        form = {"grant_type": "client_credentials", **elsewhere, **details(ASKED)}
        answer = await house.post("/token", form, client="teller")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


@pytest.mark.parametrize("text", WRONG)
async def test_what_is_not_of_a_type_that_it_may_use_is_refused_everywhere_rfc9396_5(house: House, text: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "bank", "authorization_details": text}
    for answer in (
        await house.post("/token", form, client="teller"),
        await begin_device(house, text),
        await begin_ciba(house, text),
    ):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


async def test_type_whose_resource_the_scope_does_not_reach_is_refused_rfc9396_3(house: House) -> None:
    for begin in (begin_device, begin_ciba):
        answer = await begin(house, json.dumps([ASKED]), scope="openid shipments:read")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


async def test_exchange_narrows_and_never_widens_rfc9396_6_1(house: House) -> None:
    program = {"grant_type": "client_credentials", "scope": "bank shipments:read", **details(ASKED, OTHER)}
    subject = (await tokens(house, program))["access_token"]
    form = {
        "grant_type": EXCHANGE,
        "subject_token": subject,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    assert (await tokens(house, form))["authorization_details"] == [ASKED, OTHER]
    assert (await tokens(house, form | details(OTHER)))["authorization_details"] == [OTHER]
    assert "authorization_details" not in await tokens(house, form | {"resource": house.resource})
    refused = await house.post("/token", form | details(OTHER | {"amount": "2"}), client="teller")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
