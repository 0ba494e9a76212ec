"""The commands of the tutorial, run in their order by somebody who only reads."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.running import ROOT, FrontDoor

pytestmark = pytest.mark.system
TUTORIAL = ROOT / "docs" / "tutorial" / "first-five-minutes.md"
PREFIX = "uv run --package cli-proj cli-proj "


def commands() -> list[str]:
    """Every line of every shell block."""
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def shell(line: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one line as the reader's shell does."""
    return subprocess.run(
        ["bash", "-c", line],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_commands_of_the_tutorial_work_in_their_order(system: FrontDoor, page: Page, tmp_path: Path) -> None:
    cli = system.cli(tmp_path)
    environment = {**cli.environment, "UV_NO_SYNC": "1"}
    environment.pop("VIRTUAL_ENV", None)
    printed: dict[str, str] = {}
    for command in commands():
        if command == "python3 main.py" or "gui-proj" in command:
            continue  # the system runs already; the board has tests of its own
        if command == PREFIX + "login":
            cli.sign_in(page, "clara", system.password("clara"))
            continue
        if command.startswith("TOKEN="):
            environment["TOKEN"] = cli.run("token").strip()
            assert f"$({PREFIX}token)" in command
            continue
        line = command.replace("http://127.0.0.1:8401", system.app_url)

        done = shell(line, environment)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        key = command + (" again" if command in printed else "")
        printed[key] = done.stdout
        if key.startswith("curl") and key.endswith("again"):
            assert done.stdout.strip() == "401"
        elif command.startswith("curl"):
            assert done.stdout.strip() == "200"
    assert "clara" in printed[PREFIX + "whoami"]
    assert "MINE-1" in printed[PREFIX + "shipments show MINE-1"]
