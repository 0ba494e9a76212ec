"""HTTP requests as a service sees them: how many, how they ended, how long until their answer began, how many at once.

The routes are templates and the methods are those that are known: strangers must not be able to fill the memory.
"""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Any

from lib_one import trace
from lib_one.observe.metrics import Definition, Histogram, Metrics, gauge, histogram

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_SECONDS: Definition = histogram(
    "http_request_seconds",
    "Seconds from a request to the beginning of its answer. Its count is the traffic; the label `status` "
    "(`2xx`, …) tells errors apart.",
    ("route", "method", "status"),
)
REQUESTS_UNDER_WAY: Definition = gauge("http_requests_under_way", "Requests that are being answered.")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traffic:
    """Counts the requests of one process."""

    __slots__ = ("_series", "under_way")

    def __init__(self) -> None:
        self.under_way = 0
        """Requests that are being answered."""
        self._series: dict[tuple[str, str, int], Histogram] = {}

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        series = self._series.get((route, method, status // 100))
        if series is None:
            method = method if method in _METHODS else "other"
            series = self._series.setdefault((route, method, status // 100), Histogram())
        # As `Histogram.observe` does: the call would cost as much as the counting.
        series.counts[bisect_left(series.bounds, seconds)] += 1
        series.total += seconds

    def add_to(self, metrics: Metrics) -> None:
        """Have the requests among the metrics of the process."""
        metrics.add(REQUEST_SECONDS, self._read)
        metrics.add(REQUESTS_UNDER_WAY, lambda: self.under_way)

    def _read(self) -> Mapping[tuple[str, ...], Histogram]:
        return {(route, method, f"{status}xx"): series for (route, method, status), series in self._series.items()}


class Observed:
    """An ASGI application in front of another: counts its requests, and makes each the span that its work belongs to.

    A stream that stays open counts with the time until it began.
    """

    def __init__(self, application: Application, traffic: Traffic) -> None:
        self._application = application
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        status, seconds = 500, 0.0
        began = perf_counter()

        async def watch(message: MutableMapping[str, Any]) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], perf_counter() - began
            await send(message)

        work = trace.Span(scope["headers"])
        before = trace.enter(work)
        self._traffic.under_way += 1
        try:
            await self._application(scope, receive, watch)
            trace.leave(before)  # not after an exception: whoever logs that does so in the same task
        finally:
            self._traffic.under_way -= 1
            # What no route answers is one of them, whatever strangers ask for.
            route = getattr(scope.get("route"), "path", "none")
            self._traffic.count(route, scope["method"], status, seconds or perf_counter() - began)
            if work.began_ns:
                end_request(work, scope, route, status)


def end_request(work: trace.Span, scope: Scope, route: str, status: int) -> None:
    """Say what a request was, without its query and its other secrets, to whoever wants to know (`began_ns`)."""
    attributes = {"http.request.method": scope["method"], "http.route": route, "http.response.status_code": status}
    work.failed = status >= 500
    work.end(f"{scope['method']} {route}", trace.SERVER, attributes)
