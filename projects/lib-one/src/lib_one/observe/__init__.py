"""What a process says about itself: a structured log, metrics, and where to its traces go.

`logs` is the log, on stderr. `metrics` are numbers for Prometheus, and `traffic` counts HTTP requests. `export` sends
the spans of `lib_one.trace` to a collector where one is set. Nothing is paid for by those who do not ask: numbers are
put into words when they are scraped, and OpenTelemetry is imported when it is on.
"""

from lib_one.observe.export import NoExporterError, traces_exported
from lib_one.observe.logs import HIDDEN, configure_logging, get_logger, hide_secrets
from lib_one.observe.metrics import (
    CONTENT_TYPE,
    Definition,
    Histogram,
    Metrics,
    Moment,
    counter,
    defined,
    gauge,
    histogram,
)
from lib_one.observe.traffic import Observed, Traffic, end_request

__all__ = [
    "CONTENT_TYPE",
    "HIDDEN",
    "Definition",
    "Histogram",
    "Metrics",
    "Moment",
    "NoExporterError",
    "Observed",
    "Traffic",
    "configure_logging",
    "counter",
    "defined",
    "end_request",
    "gauge",
    "get_logger",
    "hide_secrets",
    "histogram",
    "traces_exported",
]
