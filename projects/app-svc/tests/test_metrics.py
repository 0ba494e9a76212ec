"""/metrics: what Prometheus learns of app-svc."""

from typing import Any

import pytest

from app_svc.settings import Settings
from lib_one.observe import defined
from lib_one.testing import eventually
from lib_one.testing.metrics import read_metrics


async def scrape(running: Any) -> dict[str, float]:
    answer = await running.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read_metrics(answer.text)


async def test_a_shipment_leaves_its_traces_in_the_metrics(live: Any) -> None:
    clerk = live.caller()
    assert (await clerk.register("R1")).status_code == 201
    assert (await clerk.get("/shipments/unknown")).status_code == 404
    await live.http.get("/nothing/here")

    async def told() -> dict[str, float]:
        found = await scrape(live)
        assert found["outbox_published_events_total"] == 1
        assert found["consumer_backlog_messages{app_svc__timeline}"] == 0
        return found

    found = await eventually(told)
    assert found["outbox_waiting_events"] == found["outbox_oldest_seconds"] == found["outbox_refused_events_total"] == 0
    assert found["outbox_publish_seconds_count"] == 1
    assert found["relay_state{working}"] == found["bus_connected"] == 1
    assert found["http_request_seconds_count{POST,/shipments,2xx}"] == 1
    assert found["http_request_seconds_count{GET,/shipments/{key},4xx}"] == 1
    assert found["http_request_seconds_count{GET,none,4xx}"] == 1
    assert found["http_requests_under_way"] == 1, "the scrape itself"
    assert found["guard_checks_total{validated}"] == 1
    assert found["guard_checks_total{seen}"] == 1
    assert sum(value for name, value in found.items() if name.startswith("revocation_view_state{")) == 1
    assert found["jwks_age_seconds"] >= 0

    await live.issuer.revoke_token(clerk.token)

    async def applied() -> bool:
        found = await scrape(live)
        return found["revocation_applied_seconds_count"] == found["revocation_entries{tokens}"] == 1

    await eventually(applied)


async def test_every_metric_that_is_defined_is_told(live: Any) -> None:
    ours = {one for one in defined() if one.module.split(".")[0] in ("lib_one", "lib_two", "app_svc")}
    assert set(live.service.metrics) == ours


@pytest.mark.parametrize(
    ("resource", "given", "shown"),
    [
        ("http://127.0.0.1:8401", None, True),
        ("http://127.0.0.1:8401", False, False),
        ("https://api.example", None, False),
        ("https://api.example", True, True),
    ],
)
def test_metrics_are_for_this_machine_unless_it_is_said_otherwise(
    resource: str, given: bool | None, shown: bool
) -> None:
    assert Settings(resource=resource, metrics=given).shows_metrics is shown


async def test_where_they_are_off_there_is_nothing(start: Any) -> None:
    async with start(fresh=True, metrics=False) as running:
        assert (await running.http.get("/metrics")).status_code == 404
