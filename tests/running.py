"""The whole system as processes, from its scripts, on free ports, and people who use it through a real browser."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page

from deploy.one_machine import System
from deploy.processes import Process, listening, ready
from lib_one.testing import free_port

ROOT = Path(__file__).resolve().parent.parent


def until[T](probe: Callable[[], T], timeout: float = 60.0, what: str = "the condition") -> T:
    """Poll until `probe` gives something true; a refused connection counts as not yet."""
    end = time.monotonic() + timeout
    while True:
        try:
            if found := probe():
                return found
        except (httpx.TransportError, FileNotFoundError):
            pass
        assert time.monotonic() < end, f"{what} did not come about within {timeout} s"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


class FrontDoor:
    """`main.py`, running."""

    def __init__(self, data: Path, *arguments: str, ports: list[int] | None = None) -> None:
        self.data = data
        self.auth_port, self.app_port, self.nats_port = ports or free_ports(3)
        self.arguments = [f"--auth-port={self.auth_port}", f"--app-port={self.app_port}"]
        self.arguments += [f"--nats-port={self.nats_port}", f"--data-dir={data}", *arguments]
        self.output = data.with_suffix(".out")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "main.py"), *self.arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )
        self.issuer = f"http://127.0.0.1:{self.auth_port}"
        self.app_url = f"http://127.0.0.1:{self.app_port}"

    def wait_until_up(self) -> "FrontDoor":
        """Wait for the screen that says so."""

        def up() -> bool:
            assert self.process.poll() is None, self.output.read_text()
            return "Ctrl-C stops everything" in self.output.read_text()

        until(up, what="the start")
        return self

    @property
    def facts(self) -> dict[str, Any]:
        """`system.json`."""
        found: dict[str, Any] = json.loads((self.data / "system.json").read_text())
        return found

    def password(self, username: str) -> str:
        """What the screen showed for this person."""
        return next(str(p["password"]) for p in self.facts["people"] if p["username"] == username)

    def secret(self, client_id: str) -> str:
        """A demo client's secret."""
        return Path(self.facts["client_secret_files"][client_id]).read_text().strip()

    def stop(self, number: int = signal.SIGINT) -> int:
        """End it as Ctrl-C does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def cli(self, state: Path) -> "CommandLine":
        """A person's own command line."""
        return CommandLine(self, state)


class CommandLine:
    """`cli-proj` as one person has it: their own state, a browser that only writes down the address."""

    def __init__(self, system: FrontDoor, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.addresses = state / "addresses"
        opener = state / "browser"
        opener.write_text(f'#!/bin/sh\necho "$1" >> "{self.addresses}"\n')
        opener.chmod(0o755)
        self.environment = {
            **os.environ,
            "CLI_ISSUER": system.issuer,
            "CLI_APP_URL": system.app_url,
            "CLI_STATE_DIR": str(state / "state"),
            "BROWSER": f"{opener} %s",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "NO_COLOR": "1",
            "COLUMNS": "160",
        }
        self.command = str(Path(sys.executable).with_name("cli-proj"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that talks to its user while it runs."""
        return subprocess.Popen(
            [self.command, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run a command to its end and give what it wrote on stdout."""
        done = subprocess.run(
            [self.command, *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def sign_in(self, page: Page, username: str, password: str) -> None:
        """`cli-proj login`, with a person at the browser."""
        login = self.start("login")
        address = until(lambda: self.addresses.read_text().strip(), what="the browser's address")
        self.addresses.unlink()
        page.goto(address)
        enter_credentials(page, username, password)
        page.get_by_role("button", name="Allow").click()
        out, errors = login.communicate(timeout=60)
        assert login.returncode == 0, out + errors


def enter_credentials(page: Page, username: str, password: str) -> None:
    """Fill in the sign-in page."""
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


class Parts:
    """The system's parts, started and killed one by one."""

    def __init__(self, data: Path) -> None:
        self.auth_port, self.app_port, self.nats_port = free_ports(3)
        options = argparse.Namespace(
            auth_port=self.auth_port, app_port=self.app_port, nats_port=self.nats_port, data_dir=data, demo=True
        )
        self.system = System(options)
        self.system.prepare()
        self.processes = {process.name: process for process in self.system.processes()}
        self.issuer, self.app_url = self.system.issuer, self.system.app_url
        self.closing = ExitStack()
        """What the test opened and `stop` closes."""

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    def start(self, *names: str) -> None:
        """Start these and wait until each answers."""
        tests: dict[str, Callable[[], bool]] = {
            "nats-server": lambda: listening(self.nats_port),
            "auth-svc": lambda: ready(self.auth_port),
            "app-svc": lambda: ready(self.app_port),
        }
        for name in names:
            self[name].start()
            until(lambda name=name: not self[name].alive or tests[name](), what=f"start of {name}")  # type: ignore[misc]
            assert self[name].alive, self[name].last_words()

    def kill(self, name: str) -> None:
        """Signal 9, and wait until it is gone."""
        os.kill(self[name].pid, signal.SIGKILL)
        until(lambda: not self[name].alive)

    def secret(self, client_id: str) -> str:
        """A demo client's secret."""
        return (self.system.data / "secrets" / client_id).read_text().strip()

    def stop(self) -> None:
        """End all that runs."""
        self.closing.close()
        for process in reversed(self.processes.values()):
            process.stop()
