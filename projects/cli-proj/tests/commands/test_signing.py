"""`login`, `whoami`, `logout`."""

import json
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cli_proj.browser import has_browser
from cli_proj.testing import Program, SignIn
from lib_two.testing import FakeIssuer


def test_device_login_prints_code_address_and_qr_code(program: Program, issuer: FakeIssuer) -> None:
    with program.start("login", "--device", "-o", "jsonl") as running:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        issuer.decide_device(told["user_code"])
        stdout, stderr = running.communicate(timeout=60)
        assert running.returncode == 0, stderr
        assert stdout == ""
        assert told["user_code"] in stderr
        assert told["verification_uri"] in stderr
        assert "▀" in stderr
        assert "You may look at shipments, register and import them, record scans" in stderr
    token = program.run("token").stdout.strip()
    assert token not in stderr
    assert issuer.signer.read(token) is not None


def test_device_login_that_is_declined(program: Program, issuer: FakeIssuer) -> None:
    with program.start("login", "--device", "-o", "jsonl") as running:
        assert running.stdout is not None
        issuer.decide_device(json.loads(running.stdout.readline())["user_code"], approve=False)
        _, stderr = running.communicate(timeout=60)
        assert running.returncode == 4
        assert stderr.splitlines()[-2].startswith("error: ")
    assert program.run("token").returncode == 3


def test_device_login_is_chosen_where_there_is_no_browser(program: Program, issuer: FakeIssuer) -> None:
    with program.start("login", "-o", "jsonl") as running:
        assert running.stdout is not None
        issuer.decide_device(json.loads(running.stdout.readline())["user_code"])
        _, stderr = running.communicate(timeout=60)
        assert "There is no browser here, so you get a code." in stderr


def test_ctrl_c_while_waiting_ends_with_130_and_no_traceback(program: Program) -> None:
    with program.start("login", "--device", "-o", "jsonl") as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, stderr = running.communicate(timeout=60)
        assert running.returncode == 130
        assert "Traceback" not in stderr


def test_browser_login_comes_back_by_loopback_redirect(program: Program, issuer: FakeIssuer, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!{sys.executable}\n"
        "import sys, urllib.request\n"
        "assert 'code_challenge_method=S256' in sys.argv[1]\n"
        "page = urllib.request.urlopen(sys.argv[1]).read().decode()\n"
        "assert 'close' in page\n"
    )
    browser.chmod(0o755)
    done = program.process("login", BROWSER=f"{browser} %s")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "Your browser opens." in done.stderr
    assert issuer.requests["/authorize"] == 1
    assert program.run("token").returncode == 0


def test_browser_that_cannot_be_opened_is_an_error_for_who_asked_for_it(program: Program) -> None:
    done = program.process("login", "--browser", BROWSER="/nowhere/browser %s")
    assert done.returncode == 1
    assert "cli-proj login --device" in done.stderr


def test_browser_that_cannot_be_opened_leads_to_a_code(program: Program, issuer: FakeIssuer) -> None:
    with program.start("login", "-o", "jsonl", BROWSER="/nowhere/browser %s") as running:
        assert running.stdout is not None
        issuer.decide_device(json.loads(running.stdout.readline())["user_code"])
        _, stderr = running.communicate(timeout=60)
    assert running.returncode == 0, stderr
    assert "No browser could be opened, so you get a code." in stderr


def test_login_while_the_issuer_is_away(program: Program, issuer: FakeIssuer) -> None:
    issuer.stop()
    done = program.run("login", "--device")
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.splitlines()[0] == f"error: {issuer.url} does not answer."
    assert "cli-proj status" in done.stderr.splitlines()[1]


def test_second_login_revokes_the_first_one(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    with program.start("login", "--device", "-o", "jsonl") as running:
        assert running.stdout is not None
        issuer.decide_device(json.loads(running.stdout.readline())["user_code"])
        running.communicate(timeout=60)
    assert issuer.requests["/revoke"] == 1


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"BROWSER": sys.executable}, "linux", True),
        ({"BROWSER": sys.executable, "SSH_CONNECTION": "1"}, "linux", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1"}, "linux", False),
        ({"SSH_TTY": "/dev/pts/1"}, "darwin", False),
    ],
)
def test_whether_there_is_a_browser(
    environment: dict[str, str], platform: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli_proj.browser._known", lambda: True)
    assert has_browser(environment, platform=platform) is expected


def test_whoami_shows_the_person_and_the_scope(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    table, document = program.run("whoami"), program.run("whoami", "-o", "json")
    assert issuer.subject in table.stdout
    assert json.loads(document.stdout)["subject"] == issuer.subject
    assert "shipments:scan" in json.loads(document.stdout)["scope"]
    assert program.run("--output", "json", "whoami").stdout == document.stdout


def test_whoami_without_a_sign_in(program: Program) -> None:
    assert program.run("whoami").returncode == 3


def test_logout_revokes_then_forgets(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in()
    done = program.run("logout")
    assert (done.returncode, done.stdout) == (0, "")
    assert issuer.requests["/revoke"] == 1
    assert program.run("token").returncode == 3
    assert "Nobody is signed in here." in program.run("logout").stderr


def test_logout_while_the_issuer_is_away_forgets_and_says_so(
    program: Program, issuer: FakeIssuer, sign_in: SignIn
) -> None:
    sign_in()
    issuer.stop()
    done = program.run("logout")
    assert done.returncode == 7
    assert "Forgotten here" in done.stderr
    assert "could not be told" in done.stderr
    assert program.run("token").returncode == 3


def test_logout_works_with_an_access_token_that_has_expired(
    program: Program, issuer: FakeIssuer, sign_in: SignIn
) -> None:
    sign_in(lives=timedelta(seconds=-60))
    assert program.run("logout").returncode == 0
    assert issuer.requests["/token"] == 0
