"""Somebody who is signed in at the shop."""

import pytest

from auth_svc.testing import House, Person
from lib_one.http import Response


@pytest.fixture
async def id_token(person: Person, house: House) -> str:
    """The ID token that the shop has of Clara, who is signed in. The shop takes what it is told."""
    house.web["https://shop.example/logout"] = Response(200)
    token: str = (await person.at_the_shop())["id_token"]
    return token
