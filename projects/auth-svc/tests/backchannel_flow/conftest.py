"""A till: a client that asks people who are somewhere else."""

from typing import Any

import pytest

from auth_svc.clients import NewClient
from auth_svc.testing import SECRET, House

GRANT = "urn:openid:params:grant-type:ciba"
SCOPE = "openid offline_access shipments:read shipments:scan"


class Till:
    """A confidential client that is registered for backchannel authentication."""

    def __init__(self, house: House, client_id: str) -> None:
        self.house = house
        self.client_id = client_id

    async def ask(self, **changes: str) -> Any:
        form = {"scope": SCOPE, "login_hint": "clara", "binding_message": "Order 4711"} | changes
        form = {name: value for name, value in form.items() if value}
        return await self.house.post("/backchannel_authentication", form, client=self.client_id)

    async def begin(self, **changes: str) -> dict[str, Any]:
        answer = await self.ask(**changes)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def poll(self, begun: dict[str, Any]) -> Any:
        form = {"grant_type": GRANT, "auth_req_id": begun["auth_req_id"]}
        return await self.house.post("/token", form, client=self.client_id)

    async def error(self, begun: dict[str, Any]) -> str:
        answer = await self.poll(begun)
        assert answer.status_code == 400, answer.text
        assert answer.headers["cache-control"] == "no-store"
        code: str = answer.json()["error"]
        return code


async def register(house: House, client_id: str = "till", **changes: Any) -> Till:
    usual: dict[str, Any] = {
        "client_name": "Till at the counter",
        "secret": SECRET,
        "grant_types": (GRANT, "refresh_token"),
        "scope": SCOPE,
    }
    new = NewClient(client_id=client_id, **(usual | changes))
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))
    return Till(house, client_id)


@pytest.fixture
async def till(house: House) -> Till:
    """A client that polls."""
    return await register(house)
