"""Where a piece of work stands in its trace (W3C Trace Context): from a request to events, and to what they cause.

    with span("app_svc__timeline", CONSUMER, parent=event.trace_parent):
        ...  # log lines, recorded events and our own HTTP requests belong to the trace

A span begins as little more than an object: its ids are found or made when somebody asks for them.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

SERVER: Final = "server"
CLIENT: Final = "client"
CONSUMER: Final = "consumer"

type Headers = Iterable[tuple[bytes, bytes]]
"""Of an ASGI scope."""


class Context(NamedTuple):
    """A place in a trace: what a `traceparent` header says."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 of them."""
    sampled: bool
    """Whether somebody up the way records this trace."""

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


class Ended(NamedTuple):
    """A span that is over, as it is exported."""

    name: str
    kind: str
    context: Context
    parent_id: str | None
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, str | int]
    failed: bool


class Span:
    """One piece of work: a request that is answered or made, an event that is handled."""

    # Defaults of the class cost nothing: each request makes one of these, and few look at more than one field.
    failed = False
    """Whether it went wrong."""
    _parent: Context | str | None = None
    _context: Context | None = None
    began_ns = 0
    """When it began, if somebody wants to know how it ends; else 0."""

    def __init__(self, headers: Headers = (), parent: str | None = None) -> None:
        """It continues the trace that `parent` (a `traceparent`) names, else the one of a request's `headers`.

        Without either it continues the work at hand, and where there is none, it begins a trace.
        """
        self._headers = headers
        if parent is not None:
            self._parent = parent
        if _export is not None:
            self.began_ns = time.time_ns()

    @property
    def context(self) -> Context:
        """Where it stands."""
        return self._context or self._place()

    def end(self, name: str, kind: str, attributes: Mapping[str, str | int]) -> None:
        """Say what it was, if anybody listens."""
        export = _export
        if export is None or not self.began_ns or not self.context.sampled:
            return
        parent_id = self._parent.span_id if isinstance(self._parent, Context) else None
        export(Ended(name, kind, self.context, parent_id, self.began_ns, time.time_ns(), attributes, self.failed))

    def _place(self) -> Context:
        with _placing:  # threads of one piece of work must see the same ids
            if self._context is None:
                text = self._parent if isinstance(self._parent, str) else _header(self._headers)
                parent = parse(text) if text is not None else None
                self._parent = parent
                span_id = f"{_number(64):016x}"
                self._context = (
                    Context(f"{_number(128):032x}", span_id, _export is not None)
                    if parent is None
                    else parent._replace(span_id=span_id)
                )
                self._headers = ()
            return self._context


_current: ContextVar[Span | None] = ContextVar("lib_one_span", default=None)
enter = _current.set
"""Make a span the work at hand, in this task and those that it starts. The token that it returns is for `leave`."""
leave = _current.reset
"""Be again at the work that was at hand before."""
_placing = threading.Lock()
_number = random.Random(os.urandom(32)).getrandbits  # noqa: S311 - they must differ, and may be guessed
_export: Callable[[Ended], None] | None = None


def export_to(exporter: Callable[[Ended], None] | None) -> None:
    """Have every span that ends from now on given to `exporter`; `None`: to nobody."""
    global _export  # noqa: PLW0603 - one process, one exporter, and nothing to look up where there is none
    _export = exporter


def current() -> Span | None:
    """The work at hand."""
    return _current.get()


def traceparent() -> str | None:
    """The header that lets others continue this trace; `None` where no work is at hand."""
    span = _current.get()
    return None if span is None else str(span.context)


@contextmanager
def span(
    name: str, kind: str, *, parent: str | None = None, attributes: Mapping[str, str | int] | None = None
) -> Iterator[Span]:
    """Do a piece of work as a span of `parent`'s trace, else of the one at hand. An exception makes it a failed one."""
    work = Span(parent=parent or traceparent())
    before = enter(work)
    try:
        yield work
    except BaseException:
        work.failed = True
        raise
    finally:
        leave(before)
        work.end(name, kind, attributes or {})


def parse(text: str) -> Context | None:
    """Read a `traceparent` (W3C Trace Context section 3.2). What is not one counts as none (section 4.3)."""
    version, *parts = text.strip(" \t").split("-")
    if len(parts) < 3 or not _hexadecimal(version, 2) or version == "ff" or (version == "00" and len(parts) > 3):
        return None
    trace_id, span_id, flags = parts[:3]
    if not (_hexadecimal(trace_id, 32) and _hexadecimal(span_id, 16) and _hexadecimal(flags, 2)):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return Context(trace_id, span_id, bool(int(flags, 16) & 1))


def _header(headers: Headers) -> str | None:
    found = [value for name, value in headers if name == b"traceparent"]
    return found[0].decode("latin-1") if len(found) == 1 else None  # two are none (section 3.2)


def _hexadecimal(text: str, length: int) -> bool:
    return len(text) == length and _DIGITS.issuperset(text)


_DIGITS = frozenset("0123456789abcdef")
