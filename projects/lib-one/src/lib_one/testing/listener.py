"""A receiver that really listens: a server on a free port of this machine that takes POST and says what it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lib_one.http import Response


@dataclass
class Arrived:
    """One request."""

    line: str
    """Such as `POST /events HTTP/1.1`."""
    headers: dict[str, str]
    """By their names in lower case."""
    body: bytes


@dataclass
class Listener:
    """Each answer that is prepared is given once; else it gives the usual one."""

    url: str
    usual: Response = field(default_factory=lambda: Response(202))
    answers: list[Response] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """With it, no answer is given before it is set."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """HTTP, as far as it is needed here."""
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest if each)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.arrived.append(Arrived(line, headers, body))
        if self.hold is not None:
            await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else self.usual
        said = dict(answer.headers) | {"content-length": str(len(answer.content)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        writer.write(f"HTTP/1.1 {answer.status_code} X\r\n{head}\r\n".encode() + answer.content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """A receiver, as long as the context lasts."""
    listener = Listener("")
    async with await asyncio.start_server(listener.serve, "127.0.0.1", 0) as server:
        listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events?of=intranet"
        yield listener
