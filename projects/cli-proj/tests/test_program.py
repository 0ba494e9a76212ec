"""The program as a whole: help, version, completion, and errors that nobody foresaw."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli_proj.testing import FakeAppService, Program, SignIn

COMMANDS = [
    [],
    ["login"],
    ["token"],
    ["whoami"],
    ["logout"],
    ["shipments"],
    ["shipments", "list"],
    ["shipments", "show"],
    ["shipments", "register"],
    ["shipments", "import"],
    ["shipments", "watch"],
    ["scan"],
    ["status"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_that_fits_a_terminal(command: list[str], program: Program) -> None:
    for option in ("--help", "-h"):
        done = program.run(*command, option, COLUMNS="80")
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: cli-proj" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_tells_exit_codes_and_where_to_begin(program: Program) -> None:
    text = " ".join(program.run("--help").stdout.split())
    assert "3 sign in first" in text
    assert "Begin with cli-proj status" in text


@pytest.mark.parametrize("command", [[], ["shipments"]])
def test_no_command_shows_the_help(command: list[str], program: Program) -> None:
    done = program.run(*command)
    assert done.returncode == 0
    assert "Usage: cli-proj" in done.stdout


def test_version(program: Program) -> None:
    assert program.run("--version").stdout.startswith("cli-proj 0.")


def test_json_as_other_programs_say_it_is_answered_with_what_to_write(program: Program) -> None:
    done = program.run("shipments", "list", "--json")
    assert done.returncode == 2
    assert "Write -o json." in done.stderr


def test_completion_is_offered(program: Program) -> None:
    done = program.process("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    assert "cli-proj" in done.stdout


def test_error_that_nobody_foresaw_is_a_sentence(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("x" + "\x1b[2J")

    monkeypatch.setattr("cli_proj.commands.token.live_token", broken)
    done = program.run("token")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Something went wrong that should not have: ZeroDivisionError: x")
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" in program.run("--debug", "token").stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [["token"], ["shipments", "list"], ["status", "--json"]])
@pytest.mark.parametrize(("streams", "words"), [("> /dev/full", "No space left"), (">&-", ""), (">&- 2>&-", "")])
def test_output_that_cannot_be_written_leads_to_no_traceback(
    command: list[str], streams: str, words: str, program: Program, service: FakeAppService, sign_in: SignIn
) -> None:
    sign_in()
    service.add("ASN-1")
    done = subprocess.run(
        ["sh", "-c", f'"$@" {streams}', "sh", sys.executable, "-m", "cli_proj", *command],
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if words:
        assert done.returncode == 1
