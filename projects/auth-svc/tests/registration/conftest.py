"""A house that lets clients register."""

from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from lib_one.http import Response

PATH = "/client_registration"
GOOD: dict[str, Any] = {
    "client_name": "Reading list",
    "redirect_uris": ["https://reader.example/callback"],
    "scope": "openid shipments:read",
    "token_endpoint_auth_method": "none",
}


@pytest.fixture
def settings(folder: Path, request: pytest.FixtureRequest) -> Settings:
    return settings_in(folder, registration=getattr(request, "param", "open"))


class Registrant:
    """Somebody who registers clients."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def register(self, token: str | None = None, **changes: Any) -> Response:
        said = {name: value for name, value in (GOOD | changes).items() if value is not ...}
        return await self.house.http.post(PATH, json=said, headers=bearer(token))

    async def manage(self, method: str, known: dict[str, Any], said: Any = None, **how: str) -> Response:
        token = how.get("token", known["registration_access_token"])
        uri = how.get("uri", known["registration_client_uri"])
        return await self.house.http.request(method, uri, json=said, headers=bearer(token))


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


@pytest.fixture
def registrant(house: House) -> Registrant:
    return Registrant(house)
