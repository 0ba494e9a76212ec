"""Spans to a collector, by OTLP over HTTP. Needs the extra `otel` of lib-one; nothing of it is loaded before.

The ids are ours; OpenTelemetry batches what has ended, and sends it from a thread of its own. While the collector is
away, spans are dropped: tracing must not hold up what it looks at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lib_one import trace

_TIMEOUT = 5.0
"""Seconds to send a batch in."""
_DELAY_MS = 1000
"""Milliseconds after which what has ended is sent."""


class NoExporterError(Exception):
    """Traces cannot be sent: the extra is not installed."""


@contextmanager
def traces_exported(service: str, *, version: str, endpoint: str | None) -> Iterator[None]:
    """Send the spans of this process to a collector while this lasts, and what is left at its end.

    Args:
        service: The name that each span carries.
        version: Of the service.
        endpoint: Address of the collector, to which `/v1/traces` is added. Without one nothing is sent.

    Raises:
        NoExporterError: the extra `otel` is not installed.
    """
    if endpoint is None:
        yield
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
    except ImportError as error:
        raise NoExporterError("traces cannot be sent: install the extra `otel`, or set no OTLP endpoint") from error

    kinds = {trace.SERVER: SpanKind.SERVER, trace.CLIENT: SpanKind.CLIENT, trace.CONSUMER: SpanKind.CONSUMER}
    resource = Resource({"service.name": service, "service.version": version})
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_TIMEOUT)
    processor: Any = BatchSpanProcessor(exporter, schedule_delay_millis=_DELAY_MS)

    def place(trace_id: str, span_id: str, *, remote: bool) -> SpanContext:
        return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=remote, trace_flags=TraceFlags(1))

    def export(ended: trace.Ended) -> None:
        trace_id, span_id, _ = ended.context
        processor.on_end(
            ReadableSpan(
                name=ended.name,
                context=place(trace_id, span_id, remote=False),
                parent=None if ended.parent_id is None else place(trace_id, ended.parent_id, remote=True),
                resource=resource,
                attributes=ended.attributes,
                kind=kinds[ended.kind],
                status=Status(StatusCode.ERROR if ended.failed else StatusCode.UNSET),
                start_time=ended.began_ns,
                end_time=ended.ended_ns,
            )
        )

    trace.export_to(export)
    try:
        yield
    finally:
        trace.export_to(None)
        processor.shutdown()
