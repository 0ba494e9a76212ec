"""`status`."""

import json
from collections.abc import Iterator

import pytest

from cli_proj.testing import FakeAppService, Program
from lib_two.testing import FakeIssuer
from lib_two.testing.server import Answer, Server


@pytest.fixture
def auth_service(program: Program) -> Iterator[Server]:
    """The part of auth-svc that `status` asks."""
    ready = {"service": "auth-svc", "version": "1", "status": "ready", "checks": {"bus": {"ok": True}}}
    server = Server(lambda asked: Answer(ready) if asked.path == "/ready" else Answer("", 404))
    server.start()
    program.environment["CLI_ISSUER"] = f"http://127.0.0.1:{server.port}"
    yield server
    server.stop()


@pytest.mark.usefixtures("auth_service")
def test_all_is_well(program: Program) -> None:
    done = program.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "auth-svc" in done.stdout
    assert "app-svc" in done.stdout
    assert "NOT OK" not in done.stdout


@pytest.mark.usefixtures("auth_service")
def test_every_check_is_shown_and_a_bad_one_ends_with_1(program: Program, service: FakeAppService) -> None:
    service.ready |= {
        "bus": {"ok": False},
        "outbox": {"ok": True, "pending": 12},
        "revocation": {"ok": False, "state": "STALE", "lag": None},
        "timeline": {"ok": True},
    }
    done = program.run("status")
    assert done.returncode == 1
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
    assert done.returncode == 1
    auth, app = json.loads(done.stdout)["services"]
    assert (auth["status"], app["status"]) == ("unclear", "away")  # the fake issuer has no /ready
    assert "Traceback" not in done.stderr
