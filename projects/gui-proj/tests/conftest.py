"""What the tests of the GUI share: an app on a fake backend, and a real API server for the backend itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from textual.pilot import Pilot

from gui_proj.app import GuiApp
from gui_proj.testing import FakeBackend, screen_text
from lib_one.testing import eventually


class Gui:
    """An app that runs without a terminal, and somebody who presses keys and reads the screen."""

    def __init__(self, app: GuiApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def reads(self, *words: str) -> str:
        """Wait until all words are on the screen."""

        async def all_there() -> str:
            await self.pilot.pause()
            text = self.text
            wrapped = " ".join(text.split())
            missing = [word for word in words if word not in text and word not in wrapped]
            assert not missing, f"{missing} not on the screen:\n{text}"
            return text

        return await eventually(all_there)

    async def reads_no_more(self, *words: str) -> str:
        """Wait until none of the words is on the screen."""

        async def none_there() -> str:
            await self.pilot.pause()
            text = self.text
            left = [word for word in words if word in text]
            assert not left, f"{left} still on the screen:\n{text}"
            return text

        return await eventually(none_there)


type Open = Callable[..., AbstractAsyncContextManager[Gui]]


@pytest.fixture
def gui() -> Open:
    """`async with gui(backend, size=(80, 24)) as gui:` runs the app on it."""

    @asynccontextmanager
    async def run(
        backend: FakeBackend, *, size: tuple[int, int] = (120, 36), theme: str = "nord"
    ) -> AsyncIterator[Gui]:
        app = GuiApp(backend, theme=theme, now=backend.now)
        async with app.run_test(size=size, notifications=True) as pilot:
            yield Gui(app, pilot)

    return run


class Api:
    """A shipments API over real HTTP on a free port: canned answers, a feed that a test writes, an off switch."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str, body: object, *, status: int = 200) -> None:
        self.answers[path] = (status, body if isinstance(body, str) else msgspec.json.encode(body).decode())

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and cut every connection; `start` takes the same port again."""
        if self._server is not None:
            self._server.close()
            self._server.close_clients()
            await self._server.wait_closed()
            self._server = None

    async def tell(self, id_: int, data: object, kind: str = "scanned") -> None:
        """One event to everybody who follows the feed."""
        text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
        for stream in self._streams:
            stream.write(f"id: {id_}\nevent: {kind}\ndata: {text}\n\n".encode())
            await stream.drain()

    @property
    def followers(self) -> int:
        return len(self._streams)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            target = head.split(" ", 2)[1]
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:] if line)
            }
            self.asked.append((target, headers))
            path = target.partition("?")[0]
            status, body = self.answers.get(path, (404, '{"title":"Not found"}'))
            if path == "/shipments/live" and status == 200:
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1\n\n"
                )
                await writer.drain()
                self._streams.add(writer)
                await reader.read()
            else:
                kind = "application/json" if status < 400 else "application/problem+json"
                writer.write(
                    f"HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nConnection: close\r\n"
                    f"Content-Length: {len(body.encode())}\r\n\r\n{body}".encode()
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._streams.discard(writer)
            writer.close()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    server = Api()
    server.answer("/shipments/live", "")
    await server.start()
    yield server
    await server.stop()
