"""The pages on services of one's own: their commands, their code as processes, and a revocation that bites."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lib_one.testing import free_port
from main import arguments
from tests.running import ROOT, Parts, until

pytestmark = pytest.mark.system

HOW_TO = ROOT / "docs" / "how-to"
BLOCK = re.compile(r"^```sh\n(.*?)^```(?:\n\n```(?:json|text)\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


class Terminal:
    """Runs a page's blocks, with the addresses and the folder of this test in the place of its own."""

    def __init__(self, parts: Parts, *, example: str, port: int) -> None:
        """`port` is where the page has its service."""
        self.port = free_port()
        self.data = parts.system.data
        self.environment = {
            **os.environ,
            **next(process.environment for name, process in parts.processes.items() if name == "auth-svc"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.here = {
            "http://127.0.0.1:8400": parts.issuer,
            f"http://127.0.0.1:{port}": f"http://127.0.0.1:{self.port}",
            ".data": str(self.data),
            "uv run --package auth-svc auth-svc": "command auth-svc",
            f"uv run docs/examples/{example}": (
                f"exec {sys.executable} docs/examples/{example} --issuer {parts.issuer} --port {self.port}"
                f" --nats {parts.system.nats_url} --data {self.data}"
            ),
        }

    def script(self, block: str) -> list[str]:
        for documented, ours in self.here.items():
            block = block.replace(documented, ours)
        return ["bash", "-euo", "pipefail", "-c", block]

    def run(self, *blocks: str) -> str:
        """What the blocks print, run in one shell."""
        done = subprocess.run(
            self.script("\n".join(blocks)), env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, block: str, output: Path) -> subprocess.Popen[bytes]:
        with output.open("wb") as file:
            return subprocess.Popen(self.script(block), env=self.environment, cwd=ROOT, stdout=file, stderr=file)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    found = Parts(tmp_path_factory.mktemp("parts") / "data")
    try:
        found.start("nats-server", "auth-svc")
        yield found
    finally:
        found.stop()


@contextmanager
def running(terminal: Terminal, block: str, log: Path) -> Iterator[None]:
    """The service of a page, for as long as the block runs."""
    service = terminal.start(block, log)
    try:
        known = f"http://127.0.0.1:{terminal.port}/.well-known/oauth-protected-resource"
        until(lambda: httpx.get(known).status_code == 200, what="the service")
        yield
    finally:
        service.terminate()
        assert service.wait(30) in (0, -15), log.read_text()


@pytest.mark.parametrize("example", ["guarded_service", "shop"])
def test_without_options_the_service_finds_what_main_py_starts(example: str) -> None:
    ports = arguments().parse_args([])
    code = (ROOT / "docs" / "examples" / f"{example}.py").read_text()
    assert f'"--issuer", default="http://127.0.0.1:{ports.auth_port}"' in code
    assert f'"--nats", default="nats://127.0.0.1:{ports.nats_port}"' in code


def test_the_page_guards_a_service_and_a_revocation_bites(parts: Parts, tmp_path: Path) -> None:
    terminal = Terminal(parts, example="guarded_service.py", port=9000)
    page = (HOW_TO / "guard-your-service.md").read_text()
    (register, _), (serve, _), (call, answered), (revoke, refused) = BLOCK.findall(page)
    terminal.run(register)
    with running(terminal, serve, tmp_path / "service.log"):

        def called() -> str | None:
            # auth-svc learns within seconds of what its commands have registered.
            printed = terminal.run(call)
            return printed if "asked_by" in printed else None

        assert json.loads(until(called, what="a token for the service")) == json.loads(answered)
        # A guard that is not fresh at that moment refuses in other words: the issuer's.
        until(
            lambda: terminal.run(call, revoke).strip() == answered.strip().replace(": ", ":") + refused.strip(),
            what="the refusal in the words of the page",
        )


def test_the_page_starts_a_service_that_tells_facts_and_hears_them(parts: Parts, tmp_path: Path) -> None:
    terminal = Terminal(parts, example="shop.py", port=9001)
    page = (HOW_TO / "start-a-service.md").read_text()
    (register, _), (serve, _), (token, _), (order, placed), (look, packed) = BLOCK.findall(page)
    terminal.run(register)
    with running(terminal, serve, tmp_path / "service.log"):

        def ordered() -> str | None:
            printed = terminal.run(token, order)
            return printed if "order_id" in printed else None

        assert json.loads(until(ordered, what="a token for the service")) == json.loads(placed)
        until(lambda: terminal.run(token, look) == packed.strip(), what="the parcel")
