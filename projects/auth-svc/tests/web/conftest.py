"""Chromium, and auth-svc on a real port for it."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright

from auth_svc.app import create_app
from auth_svc.settings import Settings
from lib_one.testing import RecordingBus, eventually, free_port

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Listener:
    """A client's loopback listener: remembers what the browser brought."""

    host: str
    port: int = 0
    answers: list[dict[str, str]] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """The redirect URI."""
        return f"http://{self.host}:{self.port}/callback"

    async def listen(self) -> asyncio.Server:
        """Open the port."""
        server = await asyncio.start_server(self._answer, self.host.strip("[]"), 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target = (word.decode() for word in head.split()[:2])
        if target.startswith("/callback"):
            found = re.search(rb"(?i)content-length: *([0-9]+)", head) if method == "POST" else None
            body = (await reader.readexactly(int(found[1]))).decode() if found else urlsplit(target).query
            query = parse_qs(body)
            self.answers.append({name: values[0] for name, values in query.items()})
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nback")
        await writer.drain()
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A client that waits for its answer on 127.0.0.1."""
    listener = Listener("127.0.0.1")
    async with await listener.listen():
        yield listener


@dataclass
class Site:
    """auth-svc behind a real port."""

    url: str
    http: httpx.AsyncClient
    bus: RecordingBus


@pytest.fixture
async def site(settings: Settings) -> AsyncIterator[Site]:
    """auth-svc as a browser meets it, with the wall clock."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    bus = RecordingBus()
    app = create_app(settings.model_copy(update={"issuer": url}), bus=bus)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    async with httpx.AsyncClient(base_url=url) as http:
        yield Site(url, http, bus)
    server.should_exit = True
    await serving


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A real browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        await browser.close()


@dataclass
class Tab:
    """A tab, and everything that its console complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Remember errors and warnings: a broken Content-Security-Policy says so there."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@pytest.fixture
async def tab(chromium: Browser) -> AsyncIterator[Tab]:
    """A fresh tab in a fresh profile; the test fails if the console complained."""
    tab = Tab(await chromium.new_page())
    tab.watch()
    yield tab
    assert tab.complaints == []
