"""Rich Authorization Requests (RFC 9396): asked for, shown, granted, narrowed, and told to whom they are for."""

import json
from typing import Any

import msgspec
import pytest

from auth_svc.clients import NewClient
from auth_svc.resources import DetailField, DetailType, Resource, ResourceError, Scope
from auth_svc.testing import RESOURCE, SECRET, VERIFIER, House, Person

AMOUNT = {"currency": DetailField(required=True, values=("EUR", "SEK")), "amount": DetailField(required=True)}
PAYMENT = DetailType(
    type="payment",
    title="Make a payment",
    fields={
        "actions": DetailField(kind="strings", title="Allowed to", values=("initiate", "cancel"), required=True),
        "instructedAmount": DetailField(kind="object", title="Amount", required=True, fields=AMOUNT),
        "creditorName": DetailField(title="To"),
        "urgent": DetailField(kind="boolean", title="At once"),
        "parts": DetailField(kind="integer"),
        "fee": DetailField(kind="number"),
    },
)
BANK = Resource(
    identifier="https://bank.example",
    name="Bank",
    scopes=(Scope("bank", "Bank"),),
    roles={"clerk": ("bank",)},
    authorization_details=(PAYMENT, DetailType(type="balance", title="See the balance")),
)
ASKED = {
    "type": "payment",
    "actions": ["initiate"],
    "instructedAmount": {"currency": "EUR", "amount": "123.50"},
    "creditorName": "Merchant <A>",
    "urgent": True,
}
OTHER = {"type": "payment", "actions": ["cancel"], "instructedAmount": {"currency": "SEK", "amount": "1"}}
SCOPE = "openid offline_access bank shipments:read"


@pytest.fixture(autouse=True)
async def bank(house: House) -> None:
    """A resource with types of its own, a client that may use one of them, and the bank's own client."""
    asking = NewClient(
        client_id="shop",
        client_name="Shop",
        secret=SECRET,
        grant_types=("authorization_code", "refresh_token"),
        scope=SCOPE,
        redirect_uris=("https://shop.example/cb",),
        authorization_details_types=("payment",),
    )
    guarding = NewClient(client_id="bank", client_name="Bank", secret=SECRET, resource=BANK.identifier)

    def unit(connection: Any) -> None:
        house.app.resources.put(connection, BANK)
        house.app.registration.add(connection, asking)
        house.app.registration.add(connection, guarding)

    await house.app.ledger.database.work(unit)
    await house.app.resources.reload()


def asking(*details: Any, **changes: str) -> dict[str, str]:
    """An authorization request of the shop."""
    usual = {"client_id": "shop", "redirect_uri": "https://shop.example/cb", "scope": SCOPE}
    return usual | {"authorization_details": json.dumps(details)} | changes


async def redeem(house: House, code: str, *details: Any) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, **_chosen(*details)}
    answer = await house.post("/token", form, client="shop")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _chosen(*details: Any) -> dict[str, str]:
    return {"authorization_details": json.dumps(details)} if details else {}


async def test_person_reads_all_of_it_and_the_token_says_what_was_granted_rfc9396_7(
    person: Person, house: House
) -> None:
    await person.authorize(**asking(ASKED))
    page = await person.sign_in("clara")
    for words in ("Make a payment", "Allowed to", "initiate", "Amount, currency", "EUR", "123.50", "At once", "yes"):
        assert words in page.text
    assert "Merchant &lt;A&gt;" in page.text
    await person.submit(decision="allow")
    tokens = await redeem(house, person.answer["code"])
    assert tokens["authorization_details"] == [ASKED]
    assert house.claims(tokens["access_token"])["authorization_details"] == [ASKED]


async def test_yes_to_one_payment_is_not_yes_to_the_next(person: Person) -> None:
    await person.code(**asking(ASKED))
    assert "Make a payment" in (await person.authorize(**asking(ASKED))).text
    await person.authorize(**asking(ASKED, prompt="none"))
    assert person.answer["error"] == "consent_required"
    assert await person.code(**{name: value for name, value in asking().items() if name != "authorization_details"})


async def test_each_resource_server_is_told_what_is_for_it_rfc9396_9_2(person: Person, house: House) -> None:
    tokens = await redeem(house, await person.code(**asking(ASKED)))
    token = tokens["access_token"]
    assert set(house.claims(token)["aud"]) == {RESOURCE, BANK.identifier, house.issuer}
    told = (await house.post("/introspect", {"token": token}, client="bank")).json()
    assert told["authorization_details"] == [ASKED]
    told = (await house.post("/introspect", {"token": token}, client="app-svc")).json()
    assert told["active"] is True
    assert "authorization_details" not in told


async def test_token_for_another_resource_carries_none_rfc9396_6_1(person: Person, house: House) -> None:
    code = await person.code(**asking(ASKED))
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "resource": RESOURCE}
    tokens = (await house.post("/token", form, client="shop")).json()
    assert "authorization_details" not in tokens
    assert "authorization_details" not in house.claims(tokens["access_token"])


async def test_token_request_narrows_and_the_grant_keeps_all_rfc9396_6_1(person: Person, house: House) -> None:
    tokens = await redeem(house, await person.code(**asking(ASKED, OTHER)), OTHER)
    assert tokens["authorization_details"] == [OTHER]

    async def refresh(token: str, *details: Any) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": token} | _chosen(*details)
        return await house.post("/token", form, client="shop")

    answer = await refresh(tokens["refresh_token"], ASKED)
    assert answer.json()["authorization_details"] == [ASKED]
    token = answer.json().get("refresh_token", tokens["refresh_token"])
    for wider in ({**ASKED, "parts": 2}, {**ASKED, "actions": ["initiate", "cancel"]}, {"type": "balance"}):
        refused = await refresh(token, wider)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    answer = await refresh(token)
    assert answer.json()["authorization_details"] == [ASKED, OTHER]


@pytest.mark.parametrize(
    "details",
    [
        "x",
        "{}",
        "[1]",
        '["payment"]',
        "[{}]",
        '[{"type":1}]',
        '[{"type":"unknown"}]',
        '[{"type":"balance"}]',
        "[" * 1000,
        json.dumps([ASKED] * 17),
        json.dumps([{**ASKED, "creditorName": "x" * 4096}]),
    ],
)
async def test_what_is_not_an_array_of_known_types_is_refused_rfc9396_5(person: Person, details: str) -> None:
    await person.authorize(**asking() | {"authorization_details": details})
    assert person.answer["error"] == "invalid_authorization_details"


@pytest.mark.parametrize(
    "change",
    [
        {"actions": None},
        {"actions": []},
        {"actions": "initiate"},
        {"actions": ["steal"]},
        {"actions": [1]},
        {"instructedAmount": None},
        {"instructedAmount": "123"},
        {"instructedAmount": {"currency": "EUR"}},
        {"instructedAmount": {"currency": "EUR", "amount": 1}},
        {"instructedAmount": {"currency": "USD", "amount": "1"}},
        {"instructedAmount": {"currency": "EUR", "amount": "1", "more": "2"}},
        {"creditorName": ""},
        {"creditorName": "a\u202eb"},
        {"creditorName": "x" * 257},
        {"urgent": 1},
        {"parts": 1.5},
        {"parts": True},
        {"fee": "1"},
        {"unknown": "x"},
    ],
)
async def test_object_that_is_not_of_its_type_is_refused_rfc9396_5(person: Person, change: dict[str, Any]) -> None:
    detail = {name: value for name, value in (ASKED | change).items() if value is not None}
    await person.authorize(**asking(detail))
    assert person.answer["error"] == "invalid_authorization_details"


async def test_type_whose_resource_the_scope_does_not_reach_is_refused_rfc9396_3(person: Person) -> None:
    await person.authorize(**asking(ASKED, scope="openid shipments:read"))
    assert person.answer["error"] == "invalid_authorization_details"


async def test_pushed_request_may_have_them_rfc9126_2(person: Person, house: House) -> None:
    pushed = await house.post("/par", person.request(**asking(ASKED)), client="shop")
    assert pushed.status_code == 201, pushed.text
    await person.go("/authorize", client_id="shop", request_uri=pushed.json()["request_uri"])
    assert "Make a payment" in (await person.sign_in("clara")).text
    refused = await house.post("/par", person.request(**asking({"type": "unknown"})), client="shop")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")


async def test_metadata_lists_the_types_there_are_rfc9396_10(house: House) -> None:
    document = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert document["authorization_details_types_supported"] == ["payment", "balance"]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (DetailType(type="", title="x"), "no type"),
        (DetailType(type="x", title=" "), "no title"),
        (DetailType(type="x", title="X", fields={"type": DetailField()}), "describes the member"),
        (DetailType(type="x", title="X", fields={"a": DetailField(kind="integer", values=("1",))}), "is no string"),
        (DetailType(type="x", title="X", fields={"a": DetailField(kind="object")}), "with fields"),
        (DetailType(type="payment", title="X"), "is of https://bank.example"),
    ],
)
async def test_type_that_cannot_be_is_refused_where_it_is_registered(
    house: House, known: DetailType, words: str
) -> None:
    resource = msgspec.structs.replace(
        BANK, identifier="https://other.example", scopes=(Scope("o"),), roles={}, authorization_details=(known,)
    )
    with pytest.raises(ResourceError, match=words):
        await house.app.ledger.database.work(lambda c: house.app.resources.put(c, resource))
