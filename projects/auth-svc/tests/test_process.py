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
from typing import Any
from urllib.parse import urlencode

import pytest

from auth_svc.testing import SECRET, SEED
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


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AUTH_SVC_ISUER": "x"}, "AUTH_SVC_ISUER"),
        ({"AUTH_SVC_ISSUER": "http://auth.example"}, "AUTH_SVC_ISSUER: a public issuer must be https"),
        ({"AUTH_SVC_PORT": "many"}, "AUTH_SVC_PORT"),
        ({"AUTH_SVC_ISSUER": "https://auth.example", "AUTH_SVC_SECRET_KEY_FILE": "/nowhere/key"}, "/nowhere/key"),
        ({"AUTH_SVC_SEED_FILE": "/nowhere/seed.json"}, "/nowhere/seed.json"),
        ({"AUTH_SVC_NATS_NKEY_FILE": "/nowhere/key.nk"}, "/nowhere/key.nk"),
        ({"AUTH_SVC_DATABASE_URL": "mysql://x"}, "AUTH_SVC_DATABASE_URL"),
    ],
)
def test_wrong_setting_is_said_by_name_without_a_traceback(
    installation: Installation, environment: dict[str, str], words: str
) -> None:
    done = installation.run("serve", **environment)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_operator_adds_lists_disables_and_enables(installation: Installation, folder: Path) -> None:
    added = installation.run("users", "add", "fred", "--name", "Fred", "--role", "driver", stdin="long enough\n")
    assert added.returncode == 0, added.stderr
    assert re.fullmatch(r"[0-9a-f-]{36}\n", added.stdout)
    assert "fred" in installation.run("users", "list").stdout
    assert installation.run("users", "disable", "fred").returncode == 0
    assert "disabled" in installation.run("users", "list").stdout
    assert installation.run("users", "enable", "fred").returncode == 0
    assert installation.run("users", "revoke", "fred").returncode == 0
    assert installation.run("users", "disable", "nobody").returncode == 1


def test_operator_changes_password_and_roles_and_ends_what_was_issued(installation: Installation, folder: Path) -> None:
    import sqlite3

    assert installation.run("users", "password", "clara", stdin="another password\n").returncode == 0
    assert installation.run("users", "roles", "clara", "--role", "driver", "--role", "employee").returncode == 0
    assert re.search(r"clara +[0-9a-f-]{36}  driver,employee\n", installation.run("users", "list").stdout)
    with sqlite3.connect(folder / "auth.db") as database:
        (count,) = database.execute("SELECT count(*) FROM outbox WHERE subject LIKE 'auth.rev.subject.%'").fetchone()
        (ended,) = database.execute("SELECT sign_in_again_at FROM users WHERE username = 'clara'").fetchone()
    database.close()
    assert count == 2
    assert ended


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("users", "add", "fred", "--name", "Fred", "--role", "king"),
        ("users", "add", "clara", "--name", "Clara"),
        ("users", "password", "nobody"),
        ("users", "roles", "clara", "--role", "king"),
        ("clients", "add", "a.b", "--name", "x"),
        ("clients", "add", "simulator", "--name", "x"),
        ("clients", "enable", "simulator"),
        ("clients", "revoke", "nobody"),
        ("keys", "rotate", "HS256"),
        ("keys", "retire", "nothing"),
        ("keys", "import", "/nowhere/key.pem"),
        ("keys", "import", "-"),
        ("keys", "import", "-", "--algorithm", "RS512"),
        ("keys", "distrust", "nothing"),
    ],
)
def test_refused_command_is_one_line_and_exit_code_1(installation: Installation, arguments: tuple[str, ...]) -> None:
    done = installation.run(*arguments, stdin="long enough\n")
    assert done.returncode == 1
    assert done.stderr.startswith("auth-svc: ")
    assert "Traceback" not in done.stderr


def test_operator_rotates_and_distrusts_keys(installation: Installation) -> None:
    before = installation.run("keys", "list").stdout.splitlines()
    made = installation.run("keys", "rotate").stdout.strip()
    assert made in installation.run("keys", "list").stdout
    assert installation.run("keys", "distrust", made).returncode == 0
    after = installation.run("keys", "list").stdout.splitlines()
    assert len(after) == len(before) + 1
    assert any(made in line and "distrusted" in line for line in after)
    assert installation.run("migrate").returncode == 0
    assert installation.run("keys", "secret").returncode == 0


def test_operator_imports_a_key_and_takes_it_back(installation: Installation, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    key_id = installation.run("keys", "import", str(tmp_path / "key.pem"), "--algorithm", "PS256").stdout.strip()
    assert f"{key_id}  PS256   announced, signs from " in installation.run("keys", "list").stdout
    again = installation.run("keys", "import", "-", stdin=pem.decode())
    assert (again.returncode, "there already" in again.stderr) == (1, True)
    assert installation.run("keys", "retire", key_id).returncode == 0
    listed = installation.run("keys", "list").stdout
    assert key_id not in listed
    signs = listed.split()[0]
    refused = installation.run("keys", "retire", signs)
    assert (refused.returncode, "signs: rotate" in refused.stderr) == (1, True)


def test_seed_secrets_never_reach_arguments_or_help(installation: Installation) -> None:
    help_text: Any = installation.run("users", "add", "--help").stdout
    assert "--password" not in help_text
    assert SEED["users"]
