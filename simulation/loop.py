"""An event loop whose time is made up: when nothing is left to do, the clock goes on to the next timer."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any


class _Selector:
    """Waits for no socket: it turns the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self._loop.clock += max(0.0, timeout)
        self._loop.put_off()
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """One thread, no input and output, and `clock` seconds since its start. The same calls have the same order."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, suspended_until: Callable[[asyncio.TimerHandle], float]) -> None:
        """`suspended_until` tells of a timer when its owner goes on."""
        super().__init__()
        self.clock = 0.0
        self._selector = _Selector(self)
        self._suspended_until = suspended_until

    def time(self) -> float:
        """The made-up seconds."""
        return self.clock

    def put_off(self) -> None:
        """Timers that end now wait for their owner, if that is suspended; it reads first what has come meanwhile."""
        due = []
        while self._scheduled and self._scheduled[0].when() <= self.clock:
            due.append(heapq.heappop(self._scheduled))
        for timer in due:
            until = self._suspended_until(timer)
            if until > self.clock:
                timer._when = until + 0.001 + timer._when * 1e-9  # type: ignore[attr-defined]
            heapq.heappush(self._scheduled, timer)

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""
