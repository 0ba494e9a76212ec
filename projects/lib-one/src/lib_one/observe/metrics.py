"""Numbers for Prometheus. Each is defined once, and read when somebody asks: counting is adding to a plain number.

WAITING = gauge("outbox_waiting_events", "Recorded facts that the bus has not acknowledged.")
metrics = Metrics()
metrics.add(WAITING, relay.pending)
await metrics.text()
"""

import asyncio
import inspect
import sys
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lib_one.observe.logs import get_logger

log = get_logger(__name__)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of a histogram's buckets, for what should take milliseconds."""
PATIENCE = 3.0
"""Seconds that a number may take to be read; then it is left out."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.text` returns."""

type Labels = tuple[str, ...]
type Kind = Literal["counter", "gauge", "histogram"]


class Histogram:
    """How often something took how long: plain numbers, cheap to add to."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Upper end of each bucket and how many were up to there, as Prometheus has them."""
        upto = 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            upto += count
            yield bound, upto


type Value = float | Histogram
type Moment = Value | Mapping[Labels, Value] | None
"""What is read of a metric: one value, or one for each combination of its labels. None: it is not known."""
type Read = Callable[[], Moment | Awaitable[Moment]]


@dataclass(frozen=True)
class Definition:
    """One metric: its name as Prometheus shows it, and what it says."""

    name: str
    kind: Kind
    words: str
    labels: Labels
    module: str
    """Where it is defined: tells which service has it."""


_defined: dict[str, Definition] = {}


def counter(name: str, words: str, labels: Labels = ()) -> Definition:
    """Define a number that only grows; its name ends with `_total`."""
    if not name.endswith("_total"):
        raise ValueError(f"{name}: the name of a counter ends with _total")
    return _define(name, "counter", words, labels)


def gauge(name: str, words: str, labels: Labels = ()) -> Definition:
    """Define a number that goes up and down."""
    return _define(name, "gauge", words, labels)


def histogram(name: str, words: str, labels: Labels = ()) -> Definition:
    """Define a distribution."""
    return _define(name, "histogram", words, labels)


def defined() -> Iterable[Definition]:
    """Every metric of the modules that have been imported."""
    return _defined.values()


def _define(name: str, kind: Kind, words: str, labels: Labels) -> Definition:
    if name in _defined:
        raise ValueError(f"there is a metric {name} already")
    module = sys._getframe(2).f_globals["__name__"]
    found = _defined[name] = Definition(name, kind, words, labels, module)
    return found


class Metrics:
    """The metrics of one process, each with the way to read it."""

    def __init__(self) -> None:
        self._reads: dict[Definition, Read] = {}

    def add(self, definition: Definition, read: Read) -> None:
        """Have a metric. `read` is called at each scrape, and may be a coroutine function."""
        self._reads[definition] = read

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._reads)

    async def text(self) -> bytes:
        """Everything in Prometheus' text format 0.0.4. What cannot be read at the moment is left out."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

        found = await asyncio.gather(*(_moment(definition, read) for definition, read in self._reads.items()))
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        scrape: Any = _Scrape([family for family in found if family is not None])
        registry.register(scrape)
        return bytes(generate_latest(registry))


class _Scrape:
    """What one scrape found, as prometheus-client asks for it."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> list[Any]:
        return self._families


async def _moment(definition: Definition, read: Read) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            value = read()
            if inspect.isawaitable(value):
                value = await value
    except Exception as error:  # of a part that is away: the others must still be told
        log.debug("a metric cannot be read", metric=definition.name, error=f"{type(error).__name__}: {error}")
        return None
    if value is None:
        return None
    return _family(definition, value if isinstance(value, Mapping) else {(): value})


def _family(definition: Definition, values: Mapping[Labels, Value]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    name, words, labels = definition.name, definition.words, definition.labels
    if definition.kind == "histogram":
        distribution = HistogramMetricFamily(name, words, labels=labels)
        for of, value in values.items():
            if isinstance(value, Histogram):
                distribution.add_metric(of, list(value.buckets()), value.total)
        return distribution
    kind = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    family = kind(name, words, labels=labels)
    for of, value in values.items():
        if not isinstance(value, Histogram):
            family.add_metric(of, value)
    return family
