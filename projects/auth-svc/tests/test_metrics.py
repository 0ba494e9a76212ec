"""/metrics: what Prometheus learns of auth-svc."""

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import House
from lib_one.testing.metrics import read_metrics


async def scrape(house: House) -> dict[str, float]:
    answer = await house.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return read_metrics(answer.text)


async def test_requests_are_counted_by_route_method_and_outcome(house: House) -> None:
    await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    await house.post("/token", {"grant_type": "nonsense"}, client="simulator")
    for _ in range(2):
        await house.http.get("/jwks")
    await house.http.get("/signin")
    await house.http.get("/nothing/here")
    found = await scrape(house)
    assert found["http_request_seconds_count{POST,/token,2xx}"] == 1
    assert found["http_request_seconds_count{POST,/token,4xx}"] == 1
    assert found["http_request_seconds_count{GET,/jwks,2xx}"] == 2
    assert found["http_request_seconds_count{GET,/signin,2xx}"] == 1
    assert found["http_request_seconds_count{GET,none,4xx}"] == 1
    assert found["http_requests_under_way"] == 1, "the scrape itself"


async def test_what_waits_and_what_is_full_can_be_seen(house: House) -> None:
    house.bus.away = True
    await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")
    found = await scrape(house)
    assert found["outbox_waiting_events"] >= 1
    assert found["password_checks_under_way"] == 0
    assert found["password_checks_limit"] == house.app.settings.password_workers + house.app.settings.password_queue
    assert found["database_units_under_way"] >= 0
    house.bus.away = False


async def test_the_database_may_be_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_arguments: object) -> None:
        raise OSError

    monkeypatch.setattr(house.app.ledger.database, "read", away)
    found = await scrape(house)
    assert "outbox_waiting_events" not in found
    assert "http_requests_under_way" in found


@pytest.mark.parametrize(
    ("issuer", "given", "shown"),
    [
        ("http://127.0.0.1:8400", None, True),
        ("http://127.0.0.1:8400", False, False),
        ("https://auth.example", None, False),
        ("https://auth.example", True, True),
    ],
)
def test_metrics_are_for_this_machine_unless_it_is_said_otherwise(issuer: str, given: bool | None, shown: bool) -> None:
    assert Settings(issuer=issuer, metrics=given).shows_metrics is shown
