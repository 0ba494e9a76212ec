"""`token`: what scripts rely on."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cli_proj.testing import Program, SignIn
from lib_two.testing import FakeIssuer


def test_live_token_is_alone_on_stdout_and_nobody_is_asked(
    program: Program, issuer: FakeIssuer, sign_in: SignIn
) -> None:
    tokens = sign_in()
    done = program.process("token")
    assert (done.returncode, done.stdout, done.stderr) == (0, tokens.access_token + "\n", "")
    assert not issuer.requests


def test_token_that_is_about_to_expire_is_refreshed(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    tokens = sign_in(lives=timedelta(seconds=20))
    done = program.run("token")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() != tokens.access_token
    assert issuer.signer.read(done.stdout.strip()) is not None
    assert issuer.requests["/token"] == 1
    assert program.run("token").stdout == done.stdout
    assert issuer.requests["/token"] == 1


def test_parallel_processes_refresh_once(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in(lives=timedelta(seconds=-1))
    with program.start("token") as one, program.start("token") as two, program.start("token") as three:
        answers = {process.communicate(timeout=60) for process in (one, two, three)}
    assert len(answers) == 1
    assert issuer.requests["/token"] == 1


def test_without_a_sign_in_the_exit_code_is_3_and_stdout_empty(program: Program) -> None:
    done = program.process("token")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: You are not signed in.\n  Sign in with: cli-proj login\n"


def test_ended_sign_in_says_so(program: Program, sign_in: SignIn) -> None:
    sign_in(lives=timedelta(seconds=-1), refresh=False)
    done = program.run("token")
    assert done.returncode == 3
    assert "Your sign-in has ended." in done.stderr


def test_refresh_while_the_issuer_is_away(program: Program, issuer: FakeIssuer, sign_in: SignIn) -> None:
    sign_in(lives=timedelta(seconds=-1))
    issuer.stop()
    done = program.run("token")
    assert (done.returncode, done.stdout) == (7, "")
    assert len(done.stderr.splitlines()) == 2
    issuer.start()
    assert program.run("token").returncode == 0


def test_damaged_store_is_named_and_logout_repairs_it(program: Program, tmp_path: Path, sign_in: SignIn) -> None:
    sign_in()
    (kept,) = (tmp_path / "state").glob("*.tokens")
    kept.write_bytes(b"\x00" * 40)
    done = program.run("token")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(kept) in done.stderr
    assert "Traceback" not in done.stderr
    program.run("logout")
    assert not kept.exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that not even root can write")
def test_state_folder_that_cannot_be_written(program: Program, issuer: FakeIssuer) -> None:
    done = program.run("login", "--device", CLI_STATE_DIR="/proc/self/nothing")
    assert done.returncode == 1
    assert "/proc/self/nothing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not issuer.requests  # nobody enters a code for tokens that cannot be kept


def test_state_folder_that_is_a_file(program: Program, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    for command in (["token"], ["logout"], ["shipments", "list"]):
        done = program.process(*command)
        assert done.returncode in (1, 3), done.stderr
        assert 1 <= len(done.stderr.splitlines()) <= 2
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("way", ["environment", "file", "stdin"])
def test_client_credentials_take_the_secret_from(
    way: str, program: Program, issuer: FakeIssuer, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("simulator-secret\n")
    arguments = ["token", "--client-id", "simulator", "--scope", "shipments:read"]
    done = {
        "environment": lambda: program.run(*arguments, CLI_CLIENT_SECRET="simulator-secret"),
        "file": lambda: program.run(*arguments, "--client-secret-file", str(file)),
        "stdin": lambda: program.run(*arguments, "--client-secret-stdin", stdin="simulator-secret\n"),
    }[way]()
    assert (done.returncode, done.stderr) == (0, "")
    claims = issuer.signer.read(done.stdout.strip())
    assert claims is not None
    assert (claims["sub"], claims["scope"]) == ("simulator", "shipments:read")
    assert not (tmp_path / "state").exists()  # a program's token is not kept


def test_secret_on_the_command_line_is_refused_and_not_repeated(program: Program) -> None:
    for argument in (["--client-secret=hunter2"], ["--client-secret", "hunter2"]):
        done = program.process("token", "--client-id", "simulator", *argument)
        assert done.returncode == 2
        assert "hunter2" not in done.stdout + done.stderr
        assert "--client-secret-file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--client-id", "x"], "There is no client secret"),
        (["--client-id", "x", "--client-secret-stdin"], "There is no client secret"),
        (["--client-id", "x", "--client-secret-stdin", "--client-secret-file", "f"], "from a file and from stdin"),
        (["--scope", "shipments:read"], "go with --client-id"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, program: Program) -> None:
    done = program.run("token", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_wrong_secret_is_not_allowed(program: Program) -> None:
    done = program.run("token", "--client-id", "simulator", "--scope", "shipments:read", CLI_CLIENT_SECRET="wrong")
    assert (done.returncode, done.stdout) == (4, "")
    assert "wrong" not in done.stderr.replace("Something went wrong", "")


def test_missing_secret_file_is_named(program: Program) -> None:
    done = program.run("token", "--client-id", "simulator", "--client-secret-file", "/nowhere/secret")
    assert done.returncode == 1
    assert "/nowhere/secret" in done.stderr


def test_command_tree_loads_nothing_heavy() -> None:
    heavy = {"fastapi", "sqlalchemy", "textual", "nats", "httpx", "authlib", "joserfc", "pydantic", "cryptography"}
    heavy |= {"rich", "segno", "keyring", "asyncio", "msgspec"}
    code = "import sys, json, cli_proj.app; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy.isdisjoint(json.loads(done.stdout))


def test_kept_token_loads_neither_http_nor_the_command_line(program: Program, sign_in: SignIn) -> None:
    sign_in()
    code = (
        "import sys, atexit, cli_proj.__main__ as m; sys.argv = ['cli-proj', 'token'];"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr)); m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=program.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout
    assert {"typer", "httpx", "authlib", "nats", "rich", "asyncio", "keyring"}.isdisjoint(done.stderr.split())
