"""/health and /ready."""

import pytest

from auth_svc.testing import House


async def test_health_says_ok(house: House) -> None:
    answer = await house.http.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_says_what_works(house: House) -> None:
    answer = await house.http.get("/ready")
    assert answer.status_code == 200
    body = answer.json()
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


async def test_database_away_is_503_not_ready(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from lib_one.sql import DatabaseUnavailableError

    async def away(*_arguments: object) -> None:
        raise DatabaseUnavailableError("away")

    monkeypatch.setattr(house.app.ledger.database, "read", away)
    answer = await house.http.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not_ready"
    assert (await house.http.get("/health")).status_code == 200
