"""Registration on PostgreSQL, where transactions really run at once."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.registration import add_invitation
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def settings(folder: Path, database_url: str) -> Settings:
    return settings_in(folder, database_url=database_url, registration="token")


async def test_of_fifty_parallel_registrations_an_initial_access_token_gives_as_many_as_it_says_rfc7591_3(
    registrant: Any, house: House
) -> None:
    now = house.clock()
    await house.app.ledger.database.work(
        lambda connection: add_invitation(connection, "invited", uses=3, now=now, expires_at=now + timedelta(days=1))
    )
    answers = await asyncio.gather(*(registrant.register("invited") for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 3, 401: 47}
    registered = [event.data.client_id for event in await house.events("ClientRegistered")]
    assert sum(client_id.startswith("dyn-") for client_id in registered) == 3
