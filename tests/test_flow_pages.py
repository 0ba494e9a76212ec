"""The pages about flows: every block runs, in its order, and what they say is seen is what is seen."""

import ast
import asyncio
import contextlib
import importlib.util
import inspect
import json
import os
import re
import sys
import time
import webbrowser
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
import pytest_asyncio
import uvicorn

from auth_svc.testing import Person
from lib_one import http
from lib_one.testing import eventually, free_port
from tests.running import ROOT

pytestmark = pytest.mark.system
PAGES = ROOT / "docs" / "how-to" / "flows"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
MARK = "--- the next block ---"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Step:
    """A block that runs, and what the page says is seen."""

    language: str
    code: str
    seen: str | None


def steps_of(page: Path) -> list[Step]:
    """The blocks that run. What is seen stands in the block after one of them."""
    steps: list[Step] = []
    runs = False
    for language, content in BLOCK.findall(page.read_text()):
        if language in {"sh", "python"}:
            steps.append(Step(language, content, None))
        elif runs:
            steps[-1].seen = content
        runs = language in {"sh", "python"}
    return steps


def assert_seen(expected: str | None, printed: str, *, code: str) -> None:
    """`…` stands for anything; JSON is compared as JSON."""
    if expected is None:
        return
    try:
        shown, got = (json.dumps(json.loads(text), ensure_ascii=False) for text in (expected, printed))
    except ValueError:
        shown, got = expected.strip(), printed.strip()
    pattern = ".*".join(re.escape(part) for part in shown.split("…"))
    assert re.fullmatch(pattern, got), f"{code}\n{got}\n\nbut the page says\n{shown}"


@dataclass
class Site:
    """auth-svc and the careful API, at addresses that stand in the place of those of the pages."""

    folder: Path
    port: int = field(default_factory=free_port)
    api_port: int = field(default_factory=free_port)
    listener_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.issuer, self.api = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.api_port}"

    def here(self, text: str) -> str:
        """What the page says, for this machine."""
        for documented, ours in (
            ("http://127.0.0.1:8400", self.issuer),
            ("http://127.0.0.1:8401", self.api),
            (".data/flows", str(self.folder)),
            (
                "uv run docs/examples/hear_logout.py",
                f"{sys.executable} docs/examples/hear_logout.py --issuer {self.issuer} --port {self.listener_port}",
            ),
        ):
            text = text.replace(documented, ours)
        return text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    site = Site(tmp_path_factory.mktemp("flows"))
    log = site.folder / "log"
    with log.open("w") as output:
        auth_svc = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "docs" / "examples" / "flows.py"), "--folder", str(site.folder)),
            *("--port", str(site.port), "--api", site.api),
            *("--listener", f"http://127.0.0.1:{site.listener_port}/"),
            stderr=output,
        )
    secret = "try-the-flows-on-this-machine-only"
    app = example("careful_api").create_app(issuer=site.issuer, resource=site.api, client_secret=secret)
    server = uvicorn.Server(uvicorn.Config(app, port=site.api_port, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    try:
        async with http.client(base_url=site.issuer) as client:

            async def ready() -> bool:
                if auth_svc.returncode is not None:
                    raise RuntimeError(log.read_text())
                with contextlib.suppress(http.HTTPError):
                    return (await client.get("/jwks")).status_code == 200
                return False

            await eventually(ready)
            await eventually(lambda: server.started)
            yield site
    finally:
        server.should_exit = True
        await serving
        if auth_svc.returncode is None:
            auth_svc.terminate()
        await auth_svc.wait()


class Browser:
    """Clara's browser. What opens it gets back the address at which it ended."""

    def __init__(self, client: http.AsyncClient, keyboard: Path) -> None:
        # Of the house, a person needs only what `http` reaches.
        self.person = Person(cast("Any", None), client)
        self.keyboard = keyboard
        self.loop = asyncio.get_running_loop()

    async def walk(self, address: str) -> str:
        """Do on each page what it asks for."""
        page = await self.person.go(address)
        for _ in range(8):  # no way is longer
            if page.status_code != 200 or "<form" not in page.text:
                break
            if 'name="password"' in page.text:
                page = await self.person.sign_in("clara")
            elif 'value="allow"' in page.text:
                page = await self.person.submit(decision="allow")
            else:
                page = await self.person.submit()
        ended = page.headers["location"] if page.status_code == 303 else str(page.url)
        return cast("str", ended)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`xdg-open` of the shell: the person then types the address at which the browser ended."""
        address = (await reader.readline()).decode().strip()
        writer.write((await self.walk(address)).encode() + b"\n")
        await writer.drain()
        writer.close()

    def open(self, address: str) -> bool:
        """`webbrowser.open`, from another thread: the program listens at the address at which the browser ends."""

        async def come_back() -> None:
            ended = await self.walk(address)
            async with http.client() as to_the_listener:
                await to_the_listener.get(ended)

        asyncio.run_coroutine_threadsafe(come_back(), self.loop).result()
        return True


@contextlib.asynccontextmanager
async def shell_of(browser: Browser, folder: Path) -> AsyncIterator[dict[str, str]]:
    """An environment in which `xdg-open` opens this browser."""
    async with await asyncio.start_server(browser.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        opener = folder / "xdg-open"
        opener.write_text(
            f'#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\necho "$1" >&3\ncat <&3 >{browser.keyboard}\n'
        )
        opener.chmod(0o755)
        yield {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


async def run_shell(blocks: list[str], environment: dict[str, str], keyboard: Path) -> list[str]:
    """What each block prints, in one shell."""
    script = f"\necho '{MARK}'\n".join(["set -euo pipefail", *blocks])
    # Open for reading and writing, so that neither side waits for the other.
    stdin = os.open(keyboard, os.O_RDWR)
    try:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", script),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=ROOT,
        )
        out, errors = await process.communicate()
    finally:
        os.close(stdin)
    printed = out.decode().split(f"{MARK}\n")[1:]
    assert process.returncode == 0, f"{blocks[len(printed) - 1]}\n{out.decode()}\n{errors.decode()}"
    return printed


def run_python(blocks: list[str]) -> list[str]:
    """What each block prints, as typed into `python -m asyncio`."""
    printed: list[list[str]] = []
    names: dict[str, Any] = {"print": lambda *words: printed[-1].append(" ".join(map(str, words)))}
    for block in blocks:
        printed.append([])
        code = compile(block, "<page>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        answer = eval(code, names)
        if inspect.iscoroutine(answer):
            asyncio.run(answer)
    return ["\n".join(lines) for lines in printed]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", sorted(page.stem for page in PAGES.glob("*.md")))
async def test_commands_of_the_page_do_what_it_says(
    name: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another page may just have ended all of Clara: that holds for every token of the same second.
    before = int(time.time())
    await eventually(lambda: int(time.time()) > before)
    keyboard = tmp_path / "keyboard"
    os.mkfifo(keyboard)
    steps = steps_of(PAGES / f"{name}.md")
    shown = [step for step in steps if step.language == "sh"]
    written = [step for step in steps if step.language == "python"]
    async with http.client(base_url=site.issuer) as client:
        browser = Browser(client, keyboard)
        monkeypatch.setattr(webbrowser, "open", browser.open)
        async with shell_of(browser, tmp_path) as environment:
            setup = [] if name == "index" else [step.code for step in steps_of(PAGES / "index.md")]
            blocks = [site.here(code) for code in (*setup, *(step.code for step in shown))]
            printed = (await run_shell(blocks, environment, keyboard))[len(setup) :]
        printed += await asyncio.to_thread(run_python, [site.here(step.code) for step in written])
    for step, output in zip([*shown, *written], printed, strict=True):
        assert_seen(None if step.seen is None else site.here(step.seen), output, code=step.code)


def test_every_page_tells_when_and_what_goes_wrong() -> None:
    pages = [page for page in PAGES.glob("*.md") if page.stem != "index"]
    assert len(pages) > 10
    assert [page.name for page in pages if "**When**: " not in page.read_text()] == []
    assert [page.name for page in pages if "## What goes wrong\n" not in page.read_text()] == []
    assert [page.name for page in pages if f"({page.name})" not in (PAGES / "index.md").read_text()] == []
