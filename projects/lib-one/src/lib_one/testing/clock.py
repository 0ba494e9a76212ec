"""Time in tests: a clock that is turned by hand, and a way to wait for what happens elsewhere."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """A clock that stands still until it is turned. Pass it where a `Now` is asked for.

    Args:
        start: What it shows first, aware. By default a whole second in November 2026.
    """

    def __init__(self, start: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)) -> None:
        self.time = start

    def __call__(self) -> datetime:
        """The time that it shows."""
        return self.time

    def advance(self, by: timedelta) -> None:
        """Turn it forward."""
        self.time += by


class Sleep:
    """Turns a clock instead of waiting. Pass it where an `asyncio.sleep` is asked for.

    Args:
        clock: The clock.
        happenings: `at_3=…` is called after the third time.
    """

    def __init__(self, clock: Clock, **happenings: Callable[[], object]) -> None:
        self.pauses: list[float] = []
        """For how many seconds, each time."""
        self._clock = clock
        self._happenings = happenings

    async def __call__(self, seconds: float) -> None:
        """Turn the clock, and let happen what is to happen."""
        self.pauses.append(seconds)
        self._clock.advance(timedelta(seconds=seconds))
        happening = self._happenings.get(f"at_{len(self.pauses)}")
        if happening is not None:
            happening()


async def eventually[T](
    predicate: Callable[[], T | Awaitable[T]], timeout: float = 30.0, *, interval: float = 0.01
) -> T:
    """Wait until `predicate()` (sync or async) is true, and return what it gave.

    An `AssertionError` in it counts as false, so it may be a function of asserts that ends in `return True`.

    Raises:
        AssertionError: it did not become true within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        failure: AssertionError | None = None
        value: T | None = None
        try:
            answer = predicate()
            value = await answer if inspect.isawaitable(answer) else answer
        except AssertionError as error:
            failure = error
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not true within {timeout} s: {_describe(predicate)} gave {value!r}") from failure
        await asyncio.sleep(interval)


def _describe(predicate: Callable[..., object]) -> str:
    try:
        return " ".join(inspect.getsource(predicate).split())[:300]
    except OSError:
        return repr(predicate)
