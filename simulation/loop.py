"""An event loop whose time is made up: when nothing is left to do, the clock goes on to the next timer."""

import asyncio
from typing import Any


class _Selector:
    """Waits for no socket: it turns the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self._loop.clock += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """One thread, no input and output, and `clock` seconds since its start. The same calls have the same order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self._selector = _Selector(self)

    def time(self) -> float:
        """The made-up seconds."""
        return self.clock

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""
