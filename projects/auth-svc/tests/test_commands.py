"""What an operator types, run in this process on a data folder of its own."""

import re
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest
from typer.testing import CliRunner, Result

from auth_svc.__main__ import application
from lib_one.testing import free_port
from lib_one.trace import Span


class Run(Protocol):
    """Runs a command to its end."""

    def __call__(self, *arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> Result: ...


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("AUTH_SVC_DATABASE_URL", f"sqlite:///{folder / 'auth.db'}")
    monkeypatch.setenv("AUTH_SVC_SECRET_KEY_FILE", str(folder / "secret.key"))
    monkeypatch.setenv("AUTH_SVC_NATS_URL", "nats://127.0.0.1:9")

    def run(*arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> Result:
        return CliRunner().invoke(application, arguments, input=stdin, env=environment, catch_exceptions=False)

    return run


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"AUTH_SVC_ISUER": "x"}, "AUTH_SVC_ISUER"),
        ({"AUTH_SVC_ISSUER": "http://auth.example"}, "AUTH_SVC_ISSUER: a public issuer must be https"),
        ({"AUTH_SVC_PORT": "many"}, "AUTH_SVC_PORT"),
        ({"AUTH_SVC_OTLP_ENDPOINT": "127.0.0.1:4318"}, "AUTH_SVC_OTLP_ENDPOINT"),
        ({"AUTH_SVC_ISSUER": "https://auth.example", "AUTH_SVC_SECRET_KEY_FILE": "/nowhere/key"}, "/nowhere/key"),
        ({"AUTH_SVC_NATS_NKEY_FILE": "/nowhere/key.nk"}, "/nowhere/key.nk"),
        ({"AUTH_SVC_DATABASE_URL": "mysql://x"}, "AUTH_SVC_DATABASE_URL"),
    ],
)
def test_wrong_setting_is_said_by_name(run: Run, environment: dict[str, str], words: str) -> None:
    done = run("users", "list", environment=environment)
    assert done.exit_code == 1
    assert words in done.stderr


def test_serve_sends_traces_where_a_collector_is_set(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("lib_one.observe.configure_logging", lambda *_, **__: None)
    monkeypatch.setattr("auth_svc.server.bind", lambda *_: SimpleNamespace(getsockname=lambda: ("127.0.0.1", 1)))
    monkeypatch.setattr("auth_svc.app.create_app", lambda _: SimpleNamespace(running=lambda: None))
    monkeypatch.setattr("auth_svc.server.serve", lambda *_, **__: seen.append(Span().began_ns > 0))
    for environment in ({}, {"AUTH_SVC_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}):
        assert run("serve", environment=environment).exit_code == 0
    assert seen == [False, True]


def test_operator_adds_lists_disables_and_enables(run: Run, folder: Path) -> None:
    added = run("users", "add", "fred", "--name", "Fred", "--role", "driver", stdin="long enough\n")
    assert added.exit_code == 0, added.stderr
    assert re.fullmatch(r"[0-9a-f-]{36}\n", added.stdout)
    assert "fred" in run("users", "list").stdout
    assert run("users", "disable", "fred").exit_code == 0
    assert "disabled" in run("users", "list").stdout
    assert run("users", "enable", "fred").exit_code == 0
    assert run("users", "revoke", "fred").exit_code == 0
    assert run("users", "disable", "nobody").exit_code == 1


def test_operator_changes_password_and_roles_and_ends_what_was_issued(run: Run, folder: Path) -> None:
    assert run("users", "password", "clara", stdin="another password\n").exit_code == 0
    assert run("users", "roles", "clara", "--role", "driver", "--role", "employee").exit_code == 0
    assert re.search(r"clara +[0-9a-f-]{36}  driver,employee\n", run("users", "list").stdout)
    with sqlite3.connect(folder / "auth.db") as database:
        (count,) = database.execute("SELECT count(*) FROM outbox WHERE subject LIKE 'auth.rev.subject.%'").fetchone()
        (ended,) = database.execute("SELECT sign_in_again_at FROM users WHERE username = 'clara'").fetchone()
    database.close()
    assert count == 2
    assert ended


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
        ("keys", "retire", "-begins_with_a_hyphen"),
        ("keys", "distrust", "-begins_with_a_hyphen"),
    ],
)
def test_refused_command_is_one_line_and_exit_code_1(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, stdin="long enough\n")
    assert done.exit_code == 1
    assert done.stderr.startswith("auth-svc: ")
    assert done.stderr.count("\n") == 1


def test_deleted_client_stays_deleted(run: Run) -> None:
    assert run("clients", "disable", "simulator").exit_code == 0
    assert run("clients", "disable", "simulator").stderr == "auth-svc: simulator is disabled already\n"
    assert run("clients", "delete", "simulator").exit_code == 0
    assert re.search(r"simulator +deleted ", run("clients", "list").stdout)
    for verb in (["enable"], ["disable"], ["delete"], ["revoke"], ["secrets", "list"], ["secrets", "rotate"]):
        done = run("clients", *verb, "simulator")
        assert done.exit_code == 1, verb
        assert done.stderr.startswith("auth-svc: simulator was deleted, for good"), verb
    assert run("clients", "secrets", "remove", "simulator", "x").stderr.startswith("auth-svc: simulator was deleted")
    taken = run("clients", "add", "simulator", "--name", "Another")
    assert taken.stderr == "auth-svc: the client id simulator is taken\n"


@pytest.mark.parametrize("own", ["cli-proj", "gui-proj"])
def test_the_applications_that_come_with_it_are_disabled_and_never_deleted(run: Run, own: str) -> None:
    """Deleting one would lock its operator out for good."""
    refused = run("clients", "delete", own)
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"auth-svc: {own} comes with auth-svc and is not deleted: use `auth-svc clients disable {own}`\n"
    )
    for verb in ("disable", "enable"):
        assert run("clients", verb, own).exit_code == 0


def test_operator_rotates_and_distrusts_keys(run: Run) -> None:
    before = run("keys", "list").stdout.splitlines()
    made = run("keys", "rotate").stdout.strip()
    assert made in run("keys", "list").stdout
    assert run("keys", "distrust", made).exit_code == 0
    after = run("keys", "list").stdout.splitlines()
    assert len(after) == len(before) + 1
    assert any(made in line and "distrusted" in line for line in after)
    assert run("migrate").exit_code == 0
    assert run("keys", "secret").exit_code == 0


def test_operator_imports_a_key_and_takes_it_back(run: Run, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    key_id = run("keys", "import", str(tmp_path / "key.pem"), "--algorithm", "PS256").stdout.strip()
    assert f"{key_id}  PS256   announced, signs from " in run("keys", "list").stdout
    again = run("keys", "import", "-", stdin=pem.decode())
    assert (again.exit_code, "there already" in again.stderr) == (1, True)
    assert run("keys", "retire", key_id).exit_code == 0
    listed = run("keys", "list").stdout
    assert key_id not in listed
    signs = listed.split()[0]
    refused = run("keys", "retire", signs)
    assert (refused.exit_code, "signs: rotate" in refused.stderr) == (1, True)


def test_passwords_are_no_arguments(run: Run) -> None:
    assert "--password" not in run("users", "add", "--help").stdout


def test_operator_sees_stops_and_starts_streams_of_signals(run: Run, folder: Path) -> None:
    with sqlite3.connect(folder / "auth.db") as database:
        database.execute(
            "INSERT INTO signal_streams (stream_id, client_id, events_requested, method, status, by_operator, attempts,"
            " created_at) VALUES ('s-1', 'web', '[\"urn:unknown\"]', 'urn:ietf:rfc:8936', 'enabled', 0, 0, 0)"
        )
    database.close()
    assert re.fullmatch(r"web +poll  enabled +0 waiting\n", run("signals", "list").stdout)
    assert run("signals", "pause", "web", "--reason", "Too slow").exit_code == 0
    shown = run("signals", "show", "web").stdout
    assert "paused: Too slow (by the operator)" in shown
    assert "waiting   1\n" in shown  # that it is paused
    assert run("signals", "resume", "web").exit_code == 0
    assert "enabled" in run("signals", "list").stdout
    refused = run("signals", "show", "nobody")
    assert (refused.exit_code, "nobody has no stream" in refused.stderr) == (1, True)
