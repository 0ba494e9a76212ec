"""`admin revoke`: what is sent, what is shown, and the exit code."""

import json
from typing import Any

import pytest

from cli_proj.testing import Program, SignIn
from lib_two.testing import FakeIssuer
from lib_two.testing.server import Answer, Asked

PATH = "/admin/revocations"
ONE = {"name": "app-svc", "id": "i-1", "version": "0.4.0", "after_ms": 4.31}
REPORT: dict[str, Any] = {"kind": "client", "id": "gui-proj", "sequence": 7, "complete": True, "services": [ONE]}


def answering(issuer: FakeIssuer, body: object, status: int = 200) -> list[dict[str, Any]]:
    """Have the issuer answer so; the list fills with what it is asked."""
    asked: list[dict[str, Any]] = []

    def answer(request: Asked) -> Answer:
        asked.append(json.loads(request.body))
        assert issuer.signer.read(request.headers["authorization"].removeprefix("Bearer "))
        return Answer(body, status)

    issuer.more[PATH] = answer
    return asked


def test_wait_shows_every_service_with_its_milliseconds(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    asked = answering(issuer, REPORT)
    done = program.run("admin", "revoke", "client", "gui-proj", "--wait", "--timeout", "3")
    assert done.returncode == 0, done.stderr
    assert asked == [{"kind": "client", "id": "gui-proj", "wait": 3}]
    assert done.stderr == "The client gui-proj is revoked.\n"
    assert done.stdout.splitlines()[1].split() == ["app-svc", "0.4.0", "i-1", "4.31", "ms"]


def test_service_that_has_not_applied_it_is_exit_code_7(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    services = [ONE, ONE | {"name": "other", "after_ms": None}]
    answering(issuer, REPORT | {"complete": False, "services": services})
    done = program.run("admin", "revoke", "client", "gui-proj", "--wait")
    assert done.returncode == 7
    assert "not yet" in done.stdout.splitlines()[2]


def test_bus_that_is_away_is_exit_code_7_and_says_so(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    answering(issuer, REPORT | {"sequence": None, "complete": False, "services": []})
    done = program.run("admin", "revoke", "client", "gui-proj", "--wait")
    assert (done.returncode, done.stdout) == (7, "")
    assert "The bus did not tell of it" in done.stderr
    done = program.run("admin", "revoke", "client", "gui-proj")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "The client gui-proj is revoked.\n")


def test_programs_get_the_answer_as_it_came(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    answering(issuer, REPORT | {"later": 1})
    done = program.run("admin", "revoke", "client", "gui-proj", "--wait", "-o", "json")
    assert json.loads(done.stdout) == REPORT | {"later": 1}
    done = program.run("admin", "revoke", "client", "gui-proj", "-o", "jsonl")
    assert json.loads(done.stdout) == REPORT | {"later": 1}


@pytest.mark.parametrize(
    ("status", "error", "code", "hint"),
    [
        (403, "Not with this scope.", 4, "This is for operators"),
        (404, "Nothing here has this identifier.", 5, "A person is named by user name or sub"),
        (503, "Busy.", 7, "`cli-proj status`"),
    ],
)
def test_refusal_is_said_in_the_words_of_the_service(
    program: Program, issuer: FakeIssuer, sign_in: SignIn, status: int, error: str, code: int, hint: str
) -> None:
    sign_in()
    answering(issuer, {"error": "some_code", "error_description": error}, status)
    done = program.run("admin", "revoke", "subject", "nobody")
    assert done.returncode == code
    assert done.stderr.startswith(f"error: {error}\n  {hint}")


def test_odd_answer_is_an_error(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    answering(issuer, {"complete": "yes"})
    done = program.run("admin", "revoke", "token", "x")
    assert done.returncode == 1
    assert "cannot be read" in done.stderr
