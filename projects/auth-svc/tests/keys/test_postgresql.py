"""Keys on PostgreSQL, where two transactions really run at once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from auth_svc.keys import ANNOUNCED, everything, jose

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def test_superseded_key_retires_once_though_many_sweep_oidc_core_10_1_1(house: Any) -> None:
    app = house.app
    before = len(await app.ledger.database.read(everything))
    private = jose.generate("ES256")
    await app.ledger.database.work(lambda c: app.rotation.add(c, private, "ES256", active_at=house.clock()))
    house.clock.advance(app.settings.session_life + ANNOUNCED + timedelta(seconds=1))
    now = house.clock()
    await asyncio.gather(*(app.ledger.database.work(lambda c: app.rotation.retire_due(c, now=now)) for _ in range(50)))
    assert len(await app.ledger.database.read(everything)) == before
    assert len(await house.events("SigningKeyRetired")) == 1
