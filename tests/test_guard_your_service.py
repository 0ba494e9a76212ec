"""The page that guards a service in ten minutes: its commands, its code as a process, and a revocation that bites."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lib_one.testing import free_port
from main import arguments
from tests.running import ROOT, Parts, until

pytestmark = pytest.mark.system

PAGE = ROOT / "docs" / "how-to" / "guard-your-service.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```(?:\n\n```(?:json|text)\n(.*?)^```)?", re.DOTALL | re.MULTILINE)


class Terminal:
    """Runs the page's blocks, with the addresses and the folder of this test in the place of its own."""

    def __init__(self, parts: Parts) -> None:
        self.port = free_port()
        self.data = parts.system.data
        self.environment = {
            **os.environ,
            **next(process.environment for name, process in parts.processes.items() if name == "auth-svc"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.here = {
            "http://127.0.0.1:8400": parts.issuer,
            "http://127.0.0.1:9000": f"http://127.0.0.1:{self.port}",
            ".data": str(self.data),
            "uv run --package auth-svc auth-svc": "command auth-svc",
            "uv run docs/examples/guarded_service.py": (
                f"exec {sys.executable} docs/examples/guarded_service.py --issuer {parts.issuer} --port {self.port}"
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


@pytest.fixture
def terminal(parts: Parts) -> Terminal:
    parts.start("nats-server", "auth-svc")
    return Terminal(parts)


def test_without_options_the_service_finds_what_main_py_starts() -> None:
    ports = arguments().parse_args([])
    code = (ROOT / "docs" / "examples" / "guarded_service.py").read_text()
    assert f'"--issuer", default="http://127.0.0.1:{ports.auth_port}"' in code
    assert f'"--nats", default="nats://127.0.0.1:{ports.nats_port}"' in code


def test_the_page_guards_a_service_and_a_revocation_bites(terminal: Terminal, tmp_path: Path) -> None:
    (register, _), (serve, _), (call, answered), (revoke, refused) = BLOCK.findall(PAGE.read_text())
    terminal.run(register)
    service = terminal.start(serve, tmp_path / "service.log")
    try:
        known = f"http://127.0.0.1:{terminal.port}/.well-known/oauth-protected-resource"
        until(lambda: httpx.get(known).status_code == 200, what="the service")

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
    finally:
        service.terminate()
        assert service.wait(30) in (0, -15), (tmp_path / "service.log").read_text()
