"""Numbers for Prometheus, in its text format, as its own parser reads them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lib_one import trace
from lib_one.observe import Histogram, Metrics, Observed, Traffic, counter, gauge, histogram
from lib_one.observe.traffic import REQUEST_SECONDS

LEVEL = gauge("test_level", "A level.")
BY_KIND = counter("test_things_total", 'Things, "quoted".', ("kind",))
TIMES = histogram("test_seconds", "Times.")

type Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(metrics: Metrics) -> Samples:
    text = (await metrics.text()).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_values_labels_and_distributions_are_told() -> None:
    times = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7):
        times.observe(seconds)
    metrics = Metrics()
    metrics.add(LEVEL, lambda: 1.5)
    metrics.add(BY_KIND, lambda: {("a",): 1, ('b"\n',): 2})
    metrics.add(TIMES, lambda: times)
    found = await scrape(metrics)
    assert found["test_level", ()] == 1.5
    assert found["test_things_total", (("kind", "a"),)] == 1
    assert found["test_things_total", (("kind", 'b"\n'),)] == 2
    assert [found["test_seconds_bucket", (("le", le),)] for le in ("0.1", "1.0", "+Inf")] == [2, 3, 4]
    assert found["test_seconds_count", ()] == 4
    assert found["test_seconds_sum", ()] == pytest.approx(7.65)
    assert found["process_resident_memory_bytes", ()] > 1_000_000


async def test_what_cannot_be_read_is_left_out_and_the_rest_is_told() -> None:
    async def away() -> float:
        raise OSError("the bus is away")

    async def here() -> Mapping[tuple[str, ...], float]:
        await asyncio.sleep(0)
        return {("a",): 3}

    metrics = Metrics()
    metrics.add(LEVEL, away)
    metrics.add(BY_KIND, here)
    metrics.add(TIMES, lambda: None)
    names = {name for name, _ in await scrape(metrics) if name.startswith("test_")}
    assert names == {"test_things_total"}


def test_a_metric_is_defined_once_and_a_counter_says_total() -> None:
    with pytest.raises(ValueError, match="already"):
        gauge("test_level", "Another one.")
    with pytest.raises(ValueError, match="_total"):
        counter("test_things", "Things.")


# --- requests --------------------------------------------------------------------------------------------------------


class Route:
    path = "/things/{name}"


async def application(scope: Any, _receive: Any, send: Any) -> None:
    if scope["path"].startswith("/things/"):
        scope["route"] = Route
    if scope["path"] == "/things/broken":
        raise RuntimeError
    status = 200 if "route" in scope else 404
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def nothing(*_: object) -> None:
    pass


async def ask(traffic: Traffic, *requests: tuple[str, str]) -> set[tuple[str, ...]]:
    """Which routes, methods and statuses were counted."""
    observed = Observed(application, traffic)
    for method, path in requests:
        scope = {"type": "http", "method": method, "path": path, "headers": []}
        # A task of its own for each, as servers do.
        (outcome,) = await asyncio.gather(observed(scope, nothing, nothing), return_exceptions=True)
        assert isinstance(outcome, RuntimeError) is (path == "/things/broken")
    metrics = Metrics()
    traffic.add_to(metrics)
    return {
        (labels["route"], labels["method"], labels["status"])
        for name, pairs in await scrape(metrics)
        if name == f"{REQUEST_SECONDS.name}_count" and (labels := dict(pairs))
    }


async def test_requests_are_counted_by_the_template_of_their_route() -> None:
    counted = await ask(Traffic(), ("GET", "/things/a"), ("GET", "/things/b"), ("POST", "/things/broken"))
    assert counted == {("/things/{name}", "GET", "2xx"), ("/things/{name}", "POST", "5xx")}


async def test_who_logs_an_exception_knows_the_trace() -> None:
    """As uvicorn does, after everything else."""

    async def task() -> str | None:
        headers = [(b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
        scope = {"type": "http", "method": "GET", "path": "/things/broken", "headers": headers}
        try:
            await Observed(application, Traffic())(scope, nothing, nothing)
        except RuntimeError:
            return trace.traceparent()
        return None

    assert "4bf92f3577b34da6a3ce929d0e0e4736" in str(await asyncio.create_task(task()))


async def test_strangers_cannot_make_new_series() -> None:
    counted = await ask(Traffic(), *(("GET", f"/{n}") for n in range(50)), *((f"X{n}", "/things/a") for n in range(50)))
    assert counted == {("none", "GET", "4xx"), ("/things/{name}", "other", "2xx")}


async def test_a_request_is_under_way_until_it_is_answered() -> None:
    traffic, seen = Traffic(), []

    async def looking(scope: Any, receive: Any, send: Any) -> None:
        seen.append(traffic.under_way)
        await application(scope, receive, send)

    scope = {"type": "http", "method": "GET", "path": "/things/a", "headers": []}
    await Observed(looking, traffic)(scope, nothing, nothing)
    assert (seen, traffic.under_way) == ([1], 0)
