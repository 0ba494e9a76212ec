"""`status`."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli_proj.testing import FakeAppService, Program
from lib_two.testing import FakeIssuer
from lib_two.testing.server import Answer, Server
from lib_two.token_store import TokenSet, TokenStore

UNKNOWN = "Workers, consumers and dead letters are shown to operators who are signed in: cli-proj login\n"
PROCESS = {
    "name": "app-svc",
    "id": "1",
    "version": "1",
    "role": "timeline",
    "started": "2026-11-21T10:00:00Z",
    "ok": True,
    "checks": {"consumers": {"ok": True, "pending": 3, "consumers": {"app_svc__timeline": 3}}},
    "looked_at": None,
}


@pytest.fixture
def told() -> dict[str, Any]:
    """What auth-svc answers at /admin/status."""
    return {"bus": True, "services": [PROCESS]}


@pytest.fixture
def auth_service(program: Program, told: dict[str, Any]) -> Iterator[Server]:
    """The part of auth-svc that `status` asks."""
    ready = {"service": "auth-svc", "version": "1", "status": "ready", "checks": {"bus": {"ok": True}}}
    answers = {"/ready": ready, "/admin/status": told}
    server = Server(lambda asked: Answer(answers[asked.path]) if asked.path in answers else Answer("", 404))
    server.start()
    program.environment["CLI_ISSUER"] = f"http://127.0.0.1:{server.port}"
    yield server
    server.stop()


@pytest.mark.usefixtures("auth_service")
def test_all_is_well(program: Program) -> None:
    done = program.run("status")
    assert (done.returncode, done.stderr) == (0, UNKNOWN)
    assert "auth-svc" in done.stdout
    assert "app-svc" in done.stdout
    assert "NOT OK" not in done.stdout


@pytest.mark.usefixtures("auth_service")
def test_every_check_is_shown_and_a_bad_one_ends_with_7(program: Program, service: FakeAppService) -> None:
    service.ready |= {
        "bus": {"ok": False},
        "outbox": {"ok": True, "pending": 12},
        "revocation": {"ok": False, "state": "STALE", "stream": "2026-11-21T10:00:00Z", "lag": None},
        "timeline": {"ok": True},
    }
    done = program.run("status")
    assert done.returncode == 7
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "NOT OK" in lines["bus"]
    assert "pending 12" in lines["outbox"]
    assert "state STALE, lag unknown" in lines["revocation"]
    assert "timeline" in lines
    document = json.loads(program.run("status", "--json").stdout)
    assert document["ok"] is False
    assert document["services"][1]["checks"] == service.ready
    rows = [json.loads(line) for line in program.run("status", "-o", "jsonl").stdout.splitlines()]
    assert [row["service"] for row in rows] == ["auth-svc", "app-svc"]


def test_services_that_are_away_or_something_else(
    program: Program, issuer: FakeIssuer, service: FakeAppService
) -> None:
    service.stop()
    done = program.run("status", "--json")
    assert done.returncode == 7
    auth, app = json.loads(done.stdout)["services"]
    assert (auth["status"], app["status"]) == ("unclear", "away")  # the fake issuer has no /ready
    assert "Traceback" not in done.stderr
    issuer.stop()
    assert "No service answers. On this machine, `uv run main.py` starts them all." in program.run("status").stderr


@pytest.fixture
def operator(program: Program, auth_service: Server, tmp_path: Path) -> None:
    """An operator is signed in."""
    tokens = TokenSet(
        access_token="a.b.c",
        token_type="Bearer",
        expires_at=datetime.now(UTC) + timedelta(minutes=10),
        scope="openid admin",
    )
    TokenStore(tmp_path / "state", keyring=False).save(program.environment["CLI_ISSUER"], "cli-proj", tokens)


@pytest.mark.usefixtures("operator")
def test_operator_sees_every_process_that_is_on_the_bus(program: Program, told: dict[str, Any]) -> None:
    done = program.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [line for line in done.stdout.splitlines() if "timeline" in line]
    assert "on the bus since 2026-11-21 10:00" in line
    assert "pending 3" in done.stdout
    document = json.loads(program.run("status", "--json").stdout)
    assert document["processes"][0]["checks"] == PROCESS["checks"]
    assert document["unknown"] is None
    told["services"] = [PROCESS | {"ok": False, "checks": {"dead_letters": {"ok": False, "waiting": 2}}}]
    done = program.run("status")
    assert done.returncode == 7
    (line,) = [line for line in done.stdout.splitlines() if "dead_letters" in line]
    assert "NOT OK" in line
    assert "waiting 2" in line


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("answer", [{"bus": False, "services": []}, {"services": 1}])
def test_what_cannot_be_known_is_said_and_the_rest_is_shown(
    program: Program, told: dict[str, Any], answer: dict[str, Any]
) -> None:
    told.clear()
    told.update(answer)
    done = program.run("status")
    assert done.returncode == 0  # each service says that it is well
    assert "app-svc" in done.stdout
    assert done.stderr.startswith("The processes on the bus could not be asked")


@pytest.mark.usefixtures("operator")
def test_auth_svc_being_away_leaves_what_the_others_say(program: Program, auth_service: Server) -> None:
    auth_service.stop()
    done = program.run("status")
    assert done.returncode == 7
    assert "away" in done.stdout
    assert "database" in done.stdout
    assert "could not be asked" in done.stderr


@pytest.mark.usefixtures("auth_service")
def test_watching_looks_again(program: Program) -> None:
    done = program.run("status", "-o", "jsonl", "--watch", "--every", "0.1", "--count", "3")
    assert done.returncode == 0
    assert [json.loads(line)["service"] for line in done.stdout.splitlines()] == ["auth-svc", "app-svc"] * 3
