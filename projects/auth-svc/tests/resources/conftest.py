"""A house with a second resource server, and a client for both."""

import pytest

from auth_svc.clients import NewClient
from auth_svc.resources import Resource, Scope
from auth_svc.testing import SECRET, House

LEDGER = Resource(
    identifier="https://ledger.example",
    name="Ledger",
    scopes=(Scope("ledger:read", "Read the ledger", "Every booking"), Scope("ledger:book")),
    roles={"clerk": ("ledger:read", "ledger:book"), "auditor": ("ledger:read",)},
)
BOTH = "openid profile offline_access shipments:read ledger:read"


async def register(house: House, *resources: Resource) -> None:
    """Put resources, and let the house see them."""
    for resource in resources:
        await house.app.ledger.database.work(lambda c, resource=resource: house.app.resources.put(c, resource))
    await house.app.resources.reload()


@pytest.fixture
async def ledger(house: House) -> Resource:
    """The second resource server; `books` is a client of both."""
    await register(house, LEDGER)
    client = NewClient(
        client_id="books",
        client_name="Bookkeeper",
        secret=SECRET,
        grant_types=("authorization_code", "refresh_token", "client_credentials"),
        scope=BOTH + " ledger:book",
        redirect_uris=("https://books.example/cb",),
    )
    await house.app.ledger.database.work(lambda c: house.app.registration.add(c, client))
    return LEDGER
