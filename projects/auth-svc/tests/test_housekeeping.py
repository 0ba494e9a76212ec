"""What is forgotten, and when."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from auth_svc import grants
from auth_svc.db import Connection
from auth_svc.grants.store import refresh_tokens
from auth_svc.proofs.store import consume, used_proofs
from auth_svc.testing import House


async def test_grants_that_nothing_can_renew_are_forgotten_with_their_tokens(house: House) -> None:
    tokens = await house.tokens("clara")
    house.clock.advance(timedelta(days=89))
    await house.app.housekeeping.sweep()
    house.clock.advance(timedelta(days=-89))
    assert (await house.refresh(tokens["refresh_token"])).status_code == 200
    house.clock.advance(timedelta(days=91))
    await house.app.housekeeping.sweep()
    house.clock.advance(timedelta(days=-91))
    assert (await house.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert await house.events("GrantRevoked") == []


async def test_a_great_purge_is_many_small_units_of_work_and_leaves_what_is_live(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lib_one.sql.sweep.ROWS", 50)
    ledger = house.app.ledger
    now = house.clock()
    tokens = await house.tokens("clara")

    def rotated_for_months(connection: Connection) -> None:
        found = grants.find_refresh_token(connection, tokens["refresh_token"])
        assert found is not None
        for number in range(120):
            grants.renew(connection, found.grant.grant_id, now=now, expires_at=now + timedelta(days=1))
            consume(connection, number.to_bytes(32), expires_at=now + timedelta(days=1))
        consume(connection, b"live".ljust(32), expires_at=now + timedelta(days=365))

    await ledger.database.work(rotated_for_months)
    deleted: list[int] = []
    work = ledger.database.work

    async def counted(fn: Callable[[Connection], Any]) -> Any:
        def unit(connection: Connection) -> Any:
            before = _rows(connection)
            answer = fn(connection)
            deleted.append(before - _rows(connection))
            return answer

        return await work(unit)

    monkeypatch.setattr(ledger.database, "work", counted)
    house.clock.advance(timedelta(days=91))
    await house.app.housekeeping.sweep()
    assert max(deleted) == 50
    assert sum(deleted) == 120 + 121
    assert ledger.database.lookup(_rows) == 1


def _rows(connection: Connection) -> int:
    counts = (select(func.count()).select_from(table) for table in (refresh_tokens, used_proofs))
    return sum(connection.execute(count).scalar_one() for count in counts)
