"""auth-svc as a process, and what its operator types."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from auth_svc.testing import SECRET
from lib_one.testing import free_port


class Installation:
    """A data folder with a port, and the command that works on it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AUTH_SVC_")} | {
            "AUTH_SVC_ISSUER": f"http://127.0.0.1:{self.port}",
            "AUTH_SVC_PORT": str(self.port),
            "AUTH_SVC_DATABASE_URL": f"sqlite:///{folder / 'auth.db'}",
            "AUTH_SVC_SECRET_KEY_FILE": str(folder / "secret.key"),
            "AUTH_SVC_SEED_FILE": str(folder / "seed.json"),
            "AUTH_SVC_NATS_URL": f"nats://127.0.0.1:{free_port()}",
        }

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "auth_svc", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment | environment,
            timeout=60,
        )

    def start(self) -> subprocess.Popen[str]:
        """Start the server and wait until it is ready."""
        process = subprocess.Popen(
            [sys.executable, "-m", "auth_svc", "serve"], stderr=subprocess.PIPE, text=True, env=self.environment
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if self.request("GET", "/ready")[0] == 200:
                    return process
            except OSError:
                time.sleep(0.02)
        process.kill()
        raise AssertionError(process.communicate()[1])

    def request(self, method: str, path: str, form: dict[str, str] | bytes | None = None) -> tuple[int, bytes]:
        """Send one request over a connection of its own; `client_id` and `client_secret` go into the header."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {}
        if isinstance(form, dict) and "client_secret" in form:
            pair = f"{form['client_id']}:{form['client_secret']}".encode()
            headers["authorization"] = "Basic " + base64.b64encode(pair).decode()
            form = {name: value for name, value in form.items() if not name.startswith("client_")}
        body = urlencode(form) if isinstance(form, dict) else form
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        with suppress(BrokenPipeError, ConnectionResetError):  # who refuses a body may answer before it is sent
            connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content


@pytest.fixture
def installation(folder: Path) -> Installation:
    return Installation(folder)


@pytest.fixture
def server(installation: Installation) -> Iterator[subprocess.Popen[str]]:
    process = installation.start()
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


TOKEN = {"grant_type": "client_credentials", "client_id": "simulator", "client_secret": SECRET}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_cleanly_though_a_connection_is_open(
    installation: Installation, server: subprocess.Popen[str], number: signal.Signals
) -> None:
    idle = socket.create_connection(("127.0.0.1", installation.port))
    status, body = installation.request("POST", "/token", TOKEN)
    assert status == 200, body
    server.send_signal(number)
    errors = server.communicate(timeout=60)[1]
    assert server.returncode == 0
    assert "Traceback" not in errors
    assert SECRET not in errors
    assert json.loads(body)["access_token"] not in errors
    idle.close()


def test_large_body_over_the_network_is_413(installation: Installation, server: subprocess.Popen[str]) -> None:
    status, body = installation.request("POST", "/token", b"a=" + b"x" * 10_000_000)
    assert status == 413
    assert json.loads(body)["error"] == "invalid_request"
    assert installation.request("GET", "/health")[0] == 200


def test_port_in_use_is_one_line_and_exit_code_1(installation: Installation, server: subprocess.Popen[str]) -> None:
    second = installation.run("serve")
    assert second.returncode == 1
    assert re.fullmatch(r"auth-svc: cannot listen on 127\.0\.0\.1:\d+: [^\n]*\n", second.stderr)


def test_token_that_was_answered_is_recorded_though_the_process_is_killed(
    installation: Installation, server: subprocess.Popen[str], folder: Path
) -> None:
    import sqlite3

    status, body = installation.request("POST", "/token", TOKEN)
    assert status == 200
    server.kill()
    server.communicate()
    with sqlite3.connect(folder / "auth.db") as database:
        (count,) = database.execute("SELECT count(*) FROM outbox WHERE subject LIKE 'auth.evt.token.%'").fetchone()
    database.close()
    assert count == 1
    assert body


def test_wrong_setting_is_said_by_name_without_a_traceback(installation: Installation) -> None:
    done = installation.run("serve", AUTH_SVC_SEED_FILE="/nowhere/seed.json")
    assert done.returncode == 1
    assert "/nowhere/seed.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_secret_of_a_client_is_alone_on_stdout_though_the_database_is_new(
    installation: Installation, folder: Path
) -> None:
    new = f"sqlite:///{folder / 'new.db'}"
    added = installation.run("clients", "add", "app", "--name", "App", AUTH_SVC_DATABASE_URL=new)
    assert re.fullmatch(r"[\w-]{43}\n", added.stdout)
    assert "database_migrated" in added.stderr


def test_operator_registers_a_client_whose_secret_works(installation: Installation) -> None:
    added = installation.run(
        "clients", "add", "shop", "--name", "Shop", "--grant", "client_credentials", "--scope", "shipments:read"
    )
    assert added.returncode == 0, added.stderr
    secret = added.stdout.strip()
    assert len(secret) == 43
    process = installation.start()
    try:
        form = TOKEN | {"client_id": "shop", "client_secret": secret}
        assert installation.request("POST", "/token", form)[0] == 200
        assert installation.run("clients", "disable", "shop").returncode == 0
        deadline = time.monotonic() + 30
        while installation.request("POST", "/token", form)[0] != 401:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.terminate()
        process.communicate()
    assert "shop              disabled" in installation.run("clients", "list").stdout


def test_a_server_at_rest_has_not_loaded_what_it_may_never_need() -> None:
    program = (
        "import sys, auth_svc.__main__, auth_svc.app, auth_svc.server, auth_svc.web, lib_one.http, lib_one.sql.sqlite;"
        "auth_svc.web.Pages(issuer='http://127.0.0.1', csrf_key=b''); lib_one.http.guarded_client();"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    assert {"auth_svc.app", "sqlalchemy.dialects.sqlite", "httpx", "structlog"} <= loaded
    unneeded = {"alembic", "httpcore", "jinja2", "psycopg", "pygments", "rich", "sqlalchemy.dialects.postgresql"}
    assert loaded & unneeded == set()
