"""Somebody who is signed in at the shop."""

from typing import Any

import pytest

from auth_svc.testing import VERIFIER

SHOP = "https://shop.example/callback?of=shop"


@pytest.fixture
async def id_token(person: Any, house: Any) -> str:
    """The ID token that the shop has of Clara, who is signed in."""
    return await signed_in_at_the_shop(person, house)


async def signed_in_at_the_shop(person: Any, house: Any) -> str:
    """Sign Clara in at the shop, by the code flow; the ID token."""
    code = await person.code(client_id="web", redirect_uri=SHOP, scope="openid offline_access shipments:read")
    headers = house.basic("web")
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    answer = await person.http.post("/token", data=form, headers=headers)
    token: str = answer.json()["id_token"]
    return token
