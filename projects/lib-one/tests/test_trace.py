"""The trace of a piece of work: W3C Trace Context."""

from collections.abc import Iterator

import pytest

from lib_one import trace
from lib_one.contracts.auth import UserDisabled
from lib_one.event import decode, event, utc_now

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def exported() -> Iterator[list[trace.Ended]]:
    """The spans that have ended."""
    found: list[trace.Ended] = []
    trace.export_to(found.append)
    yield found
    trace.export_to(None)


@pytest.mark.parametrize("text", [PARENT, f" {PARENT}\t", PARENT.replace("00-4", "01-4") + "-what-comes-later"])
def test_a_traceparent_is_read_section_3_2(text: str) -> None:
    assert trace.parse(text) == trace.Context(TRACE_ID, "00f067aa0ba902b7", sampled=True)


@pytest.mark.parametrize("flags", ["00", "02"])
def test_only_the_last_flag_says_that_the_trace_is_recorded_section_3_2_2_5(flags: str) -> None:
    context = trace.parse(PARENT[:-2] + flags)
    assert context is not None
    assert not context.sampled
    assert str(context).endswith("-00")


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "---", "nonsense", PARENT[:-1], PARENT[:-3], PARENT + "-more", "ff" + PARENT[2:], PARENT[1:]),
        *(PARENT.upper(), PARENT.replace(TRACE_ID, "0" * 32), PARENT.replace("00f067aa0ba902b7", "0" * 16)),
        *(PARENT.replace("4b", "é4"), PARENT.replace("4", "g"), "0" * 10_000),
    ],
)
def test_what_is_no_traceparent_counts_as_none_section_4_3(text: str) -> None:
    assert trace.parse(text) is None


def test_a_request_continues_the_trace_of_its_header() -> None:
    context = trace.Span([(b"host", b"x"), (b"traceparent", PARENT.encode())]).context
    assert context.trace_id == TRACE_ID
    assert context.span_id != "00f067aa0ba902b7"


@pytest.mark.parametrize("headers", [[], [(b"traceparent", b"\xff")], [(b"traceparent", PARENT.encode())] * 2])
def test_a_request_without_one_good_header_begins_a_trace(headers: list[tuple[bytes, bytes]]) -> None:
    ids = {trace.Span(headers).context.trace_id for _ in range(2)}
    assert len(ids) == 2
    assert TRACE_ID not in ids


def test_work_within_work_is_in_its_trace_and_work_after_it_is_not() -> None:
    assert trace.traceparent() is None
    with trace.span("outer", trace.SERVER) as outer:
        with trace.span("inner", trace.CLIENT) as inner:
            assert trace.current() is inner
        assert trace.traceparent() == str(outer.context)
    assert inner.context.trace_id == outer.context.trace_id
    assert inner.context.span_id != outer.context.span_id
    assert trace.traceparent() is None


def test_what_has_ended_is_exported_with_its_parent(exported: list[trace.Ended]) -> None:
    with trace.span("outer", trace.SERVER, parent=PARENT), trace.span("inner", trace.CLIENT, attributes={"a": 1}):
        pass
    inner, outer = exported
    assert (outer.parent_id, inner.parent_id) == ("00f067aa0ba902b7", outer.context.span_id)
    assert inner.attributes == {"a": 1}
    assert outer.began_ns <= inner.began_ns <= inner.ended_ns <= outer.ended_ns
    assert not inner.failed


def test_an_exception_makes_a_failed_span(exported: list[trace.Ended]) -> None:
    with pytest.raises(RuntimeError), trace.span("work", trace.SERVER):
        raise RuntimeError
    assert exported[0].failed


def test_a_trace_that_somebody_up_the_way_does_not_record_is_not_exported(exported: list[trace.Ended]) -> None:
    with trace.span("work", trace.SERVER, parent=PARENT[:-2] + "00"):
        pass
    assert exported == []


def test_an_event_carries_the_trace_on() -> None:
    with trace.span("work", trace.SERVER, parent=PARENT) as work:
        message = event(UserDisabled(user_id="u1"), source="/x", now=utc_now).encode()
    assert message.headers["traceparent"] == str(work.context)
    assert decode(message.headers, message.body).trace_parent == str(work.context)
    assert event(UserDisabled(user_id="u1"), source="/x", now=utc_now).trace_parent is None
