"""Pairwise clients that register themselves: their sector is fetched and checked (OIDC Registration section 5)."""

from pathlib import Path
from typing import Any

import pytest

from auth_svc.protocol import DEVICE_CODE
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from lib_one.http import Response

SECTOR = "https://family.example/uris"
PAIRWISE: dict[str, Any] = {
    "subject_type": "pairwise",
    "sector_identifier_uri": SECTOR,
    "redirect_uris": ["https://a.example/cb", "https://b.example/cb"],
}


@pytest.fixture
def family(house: House) -> None:
    """A sector of two hosts."""
    house.web[SECTOR] = Response(200, json=PAIRWISE["redirect_uris"])


def refused(answer: Any, code: str = "invalid_client_metadata") -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    return True


@pytest.mark.usefixtures("family")
async def test_client_of_a_sector_that_lists_it_is_registered_oidc_8_1(registrant: Any, house: House) -> None:
    answer = await registrant.register(**PAIRWISE)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["subject_type"], told["sector_identifier_uri"]) == ("pairwise", SECTOR)
    tokens = await house.tokens("clara", client=told["client_id"], scope="openid")
    other = (await registrant.register(**PAIRWISE | {"redirect_uris": ["https://b.example/cb"]})).json()
    elsewhere = await house.tokens("clara", client=other["client_id"], scope="openid")
    assert house.claims(tokens["id_token"])["sub"] == house.claims(elsewhere["id_token"])["sub"]


@pytest.mark.usefixtures("family")
async def test_client_that_its_sector_does_not_list_is_refused_oidc_8_1(registrant: Any) -> None:
    assert refused(await registrant.register(**PAIRWISE | {"redirect_uris": ["https://thief.example/cb"]}))
    known = (await registrant.register(**PAIRWISE)).json()
    said = {name: value for name, value in known.items() if not name.startswith(("registration_", "client_id_"))}
    moved = said | {"redirect_uris": ["https://thief.example/cb"]}
    assert refused(await registrant.manage("PUT", known, moved))
    assert (await registrant.manage("PUT", known, said)).status_code == 200


async def test_sector_that_cannot_be_fetched_is_none(registrant: Any) -> None:
    assert refused(await registrant.register(**PAIRWISE))


@pytest.mark.usefixtures("family")
async def test_who_is_answered_without_a_redirect_has_no_sector(registrant: Any) -> None:
    assert refused(await registrant.register(**PAIRWISE, grant_types=["authorization_code", DEVICE_CODE]))


@pytest.mark.usefixtures("family")
async def test_fetches_for_strangers_are_limited(registrant: Any, house: House) -> None:
    answers = [await registrant.register(**PAIRWISE | {"redirect_uris": ["https://x.example"]}) for _ in range(30)]
    assert answers[-1].status_code == 429
    assert len(house.web.requests) <= 20


class TestByInvitation:
    """Where an initial access token is needed."""

    @pytest.fixture
    def settings(self, folder: Path) -> Settings:
        return settings_in(folder, registration="token")

    @pytest.mark.usefixtures("family")
    async def test_nothing_is_fetched_for_who_is_not_invited(self, registrant: Any, house: House) -> None:
        answer = await registrant.register("a-made-up-token", **PAIRWISE)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        assert house.web.requests == []
