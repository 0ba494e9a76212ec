"""Registration of clients by the operator."""

from typing import Any

import pytest

from auth_svc.clients import NewClient, RegistrationError, find
from auth_svc.testing import House

GOOD: dict[str, Any] = {
    "client_id": "shop",
    "client_name": "Shop",
    "secret": "s" * 43,
    "grant_types": ("client_credentials",),
    "scope": "shipments:read",
}


async def add(house: House, **changes: Any) -> None:
    metadata = NewClient(**(GOOD | changes))
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, metadata))


async def test_registered_client_is_told_and_kept(house: House) -> None:
    await add(house)
    (registered,) = [event for event in await house.events("ClientRegistered") if event.data.aggregate() == "shop"]
    assert registered.data.confidential
    assert "s" * 43 not in repr(house.bus.published)
    client = house.app.ledger.database.lookup(lambda connection: find(connection, "shop"))
    assert client is not None
    assert client.scopes == ("shipments:read",)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "01a1fa6e-6fef-728c-9149-c5549e24b668"},
        {"client_id": "01A1FA6E6FEF728C9149C5549E24B668"},
        {"client_id": ""},
        {"client_id": "a b"},
        {"client_id": "a.b"},
        {"client_id": "a*"},
        {"client_id": ">"},
        {"client_id": "ä"},
        {"client_id": "x" * 129},
        {"client_name": " "},
        {"client_name": "a\x00b"},
        {"secret": "short"},
        {"secret": None},
        {"grant_types": ("password",)},
        {"grant_types": ("authorization_code",)},
        {"scope": "nonsense"},
        {"redirect_uris": ("https://*.example/",)},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
    ],
)
async def test_unfit_client_is_refused_with_nothing_kept(house: House, changes: dict[str, Any]) -> None:
    with pytest.raises(RegistrationError):
        await add(house, **changes)
    registered = {event.data.aggregate() for event in await house.events("ClientRegistered")}
    assert (GOOD | changes)["client_id"] not in registered


async def test_taken_id_is_refused_rfc7591_3_2(house: House) -> None:
    await add(house)
    with pytest.raises(RegistrationError, match="taken"):
        await add(house)


async def test_applications_of_the_house_exist_and_are_public_rfc8252_8_4(house: House) -> None:
    for client_id in ("cli-proj", "gui-proj"):
        client = house.app.clients.find(client_id)
        assert client is not None
        assert not client.confidential
        assert client.accepts_redirect("http://127.0.0.1:34567/callback")
        assert client.accepts_redirect("http://[::1]:34567/callback")
        assert not client.accepts_redirect("http://localhost:34567/callback")
        assert "client_credentials" not in client.grant_types


async def test_resource_server_stands_for_the_resource_and_may_only_introspect(house: House) -> None:
    client = house.app.clients.find("app-svc")
    assert client is not None
    assert client.resource == house.resource
    assert client.grant_types == ()
