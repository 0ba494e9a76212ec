"""Where spans go: nowhere by default."""

import sys

import pytest

from lib_one import trace
from lib_one.observe import NoExporterError, traces_exported
from lib_one.testing import free_port


def test_without_an_endpoint_nobody_listens() -> None:
    with traces_exported("x", version="1", endpoint=None), trace.span("work", trace.SERVER) as work:
        assert work.began_ns == 0


def test_with_one_spans_are_taken_until_the_end_also_if_the_collector_is_away() -> None:
    with traces_exported("x", version="1", endpoint=f"http://127.0.0.1:{free_port()}"):
        work = trace.Span()
        assert work.began_ns > 0
        assert work.context.sampled
    assert trace.Span().began_ns == 0


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(NoExporterError, match="extra `otel`"), traces_exported("x", version="1", endpoint="http://x"):
        pytest.fail("it must not begin")
