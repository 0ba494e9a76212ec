"""One trace from a request to the timeline, as a collector sees it that speaks OTLP over HTTP."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from lib_one.nats import APP_PROJECTOR
from lib_one.observe import traces_exported
from lib_one.testing import eventually

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Takes spans at `/v1/traces`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    named = {one.key: one.value.string_value for one in resource.resource.attributes}
                    collector.services.add(named["service.name"])
                    collector.spans += [span for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    thread = threading.Thread(target=running.server.serve_forever)
    thread.start()
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


async def test_a_request_and_what_the_timeline_makes_of_it_are_one_trace(live, collector: Collector) -> None:
    exporting = traces_exported("app-svc", version="1", endpoint=collector.address)
    exporting.__enter__()
    try:
        headers = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
        clerk = live.caller()
        body = {"reference": "R1", "origin": {"name": "A"}, "destination": {"name": "B"}}
        assert (await clerk.send("POST", "/shipments", body, headers=headers)).status_code == 201

        async def handled() -> bool:
            return live.service.relay.published >= 1 and await live.service.bus.backlog(APP_PROJECTOR) == 0

        await eventually(handled)
    finally:
        await asyncio.to_thread(exporting.__exit__, None, None, None)
    assert collector.services == {"app-svc"}
    spans = {span.name: span for span in collector.spans if span.trace_id.hex() == TRACE_ID}
    assert set(spans) == {"POST /shipments", "GET 127.0.0.1", "app_svc__timeline"}
    request, handling, keys = spans["POST /shipments"], spans["app_svc__timeline"], spans["GET 127.0.0.1"]
    assert (request.kind, handling.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CONSUMER)
    assert (keys.kind, keys.parent_span_id) == (Span.SPAN_KIND_CLIENT, request.span_id), "of the issuer"
    assert request.parent_span_id.hex() == "00f067aa0ba902b7"
    assert handling.parent_span_id == request.span_id
    assert {one.key: one.value.int_value for one in request.attributes}["http.response.status_code"] == 201


def test_nothing_of_opentelemetrys_exporter_is_loaded_where_it_is_off() -> None:
    program = "import app_svc.app, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "lib_one.observe" in loaded
    assert [
        name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "prometheus"))
    ] == []
