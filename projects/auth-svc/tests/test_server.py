"""The HTTP server beneath the application."""

import asyncio
from typing import cast

from auth_svc.server import OneWrite


class Wire:
    """Stands for a connection."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closing = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


async def test_head_and_body_of_an_answer_leave_in_one_write() -> None:
    wire = Wire()
    transport = OneWrite(cast("asyncio.Transport", wire), asyncio.get_running_loop())
    for answer in (b"1", b"2"):
        transport.write(b"head")
        transport.write(b"body" + answer)
        await asyncio.sleep(0)
    assert wire.writes == [b"headbody1", b"headbody2"]


async def test_what_waits_is_written_before_the_connection_closes_and_nothing_after() -> None:
    wire = Wire()
    transport = OneWrite(cast("asyncio.Transport", wire), asyncio.get_running_loop())
    transport.write(b"last words")
    transport.close()
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert wire.writes == [b"last words"]
    assert transport.is_closing()
