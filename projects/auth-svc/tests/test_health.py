"""/health and /ready."""

import pytest

from auth_svc import keys
from auth_svc.testing import House
from lib_one.sql import STUCK


async def test_health_says_ok(house: House) -> None:
    answer = await house.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_says_what_works(house: House) -> None:
    answer = await house.http.get("/ready")
    assert answer.status_code == 200
    body = answer.json()
    assert body["missing"] == []
    assert body["service"] == "auth-svc"
    assert body["status"] == "ready"
    assert body["checks"]["database"]["ok"]
    assert body["checks"]["keys"]["ok"]
    assert body["checks"]["outbox"]["ok"]


async def test_bus_away_is_reported_and_service_stays_ready(house: House) -> None:
    house.bus.away = True
    await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    answer = await house.http.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["checks"]["outbox"]["pending"] >= 1
    house.bus.away = False
    assert len(await house.events("TokenIssued")) == 1


async def test_an_outbox_that_does_not_get_rid_of_its_events_is_missing(house: House) -> None:
    house.bus.away = True
    await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    assert (await house.http.get("/ready")).json()["missing"] == []
    house.clock.advance(STUCK)
    answer = await house.http.get("/ready")
    assert answer.status_code == 200
    assert answer.json()["missing"] == ["outbox"]
    assert answer.json()["checks"]["outbox"]["oldest_seconds"] == STUCK.total_seconds()
    house.bus.away = False


async def test_no_signing_key_is_503_and_missing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "count", lambda _connection: 0)
    answer = await house.http.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["missing"] == ["keys"]


async def test_database_away_is_503_not_ready(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from lib_one.sql import DatabaseUnavailableError

    async def away(*_arguments: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(house.app.ledger.database, "read", away)
    answer = await house.http.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    assert answer.json()["missing"] == ["database"]
    assert (await house.http.get("/health")).status_code == 200
