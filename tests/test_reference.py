"""The commands on the HTTP pages of the reference, run as they stand there."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.running import ROOT, FrontDoor

pytestmark = pytest.mark.system


@pytest.mark.parametrize("name", ["http-auth-svc.md", "http-app-svc.md"])
def test_commands_of_the_reference_work(name: str, system: FrontDoor, page: Page, tmp_path: Path) -> None:
    cli = system.cli(tmp_path)
    cli.sign_in(page, "clara", system.password("clara"))
    text = (ROOT / "docs" / "reference" / name).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    script = "\n".join(["set -euo pipefail", 'curl() { command curl --fail-with-body "$@"; }', *blocks])
    for documented, here in (
        ("http://127.0.0.1:8400", system.issuer),
        ("http://127.0.0.1:8401", system.app_url),
        (".data/", f"{system.data}/"),
        ("uv run --package cli-proj cli-proj", cli.command),
    ):
        script = script.replace(documented, here)
    done = subprocess.run(
        ["bash", "-c", script],
        env=cli.environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=240,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
