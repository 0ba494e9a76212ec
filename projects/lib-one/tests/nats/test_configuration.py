"""What is shipped in `deploy/nats/` follows from the table of rights, and nats-server takes it."""

import subprocess
import sys
from pathlib import Path

import pytest

from lib_one.nats.configuration import shipped, variable
from lib_one.nats.embedded import find_binary
from lib_one.nats.keys import KeyFolder
from lib_one.nats.rights import KEYS
from lib_one.testing.certificates import Authority

DEPLOY = Path(__file__).parents[4] / "deploy" / "nats"
CONFIGURATIONS = {"one.conf": ("nats",), "three.conf": ("nats-1", "nats-2", "nats-3")}


@pytest.mark.parametrize(("file", "nodes"), CONFIGURATIONS.items())
def test_what_is_shipped_is_what_the_table_gives(file: str, nodes: tuple[str, ...]) -> None:
    assert (DEPLOY / file).read_text() == shipped(nodes)


@pytest.mark.parametrize("file", CONFIGURATIONS)
def test_nats_server_takes_what_is_shipped(tmp_path: Path, file: str) -> None:
    Authority(tmp_path).issue("nats-1")
    configuration = tmp_path / "nats.conf"
    configuration.write_text((DEPLOY / file).read_text().replace("/etc/nats/tls", str(tmp_path)))
    keys = {variable(user): key for user, key in KeyFolder(tmp_path / "keys").public().items()}
    done = subprocess.run(
        [find_binary(), "-t", "-c", str(configuration)], env={"NATS_NODE": "nats-1", **keys}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("file", CONFIGURATIONS)
def test_what_is_shipped_is_durable_and_encrypted_everywhere(file: str) -> None:
    text = (DEPLOY / file).read_text()
    assert "sync_interval: always" in text
    listeners = text.count("listen:")
    assert text.count("cert_file:") == listeners
    assert "nats://" not in text
    assert "no_auth_user" not in text


def test_the_keys_command_makes_every_key_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lib_one.nats", "keys", str(tmp_path / "keys")]
    first, second = (subprocess.run(command, capture_output=True, check=True, text=True).stdout for _ in range(2))
    assert first == second
    variables = dict(line.split("=") for line in first.splitlines())
    assert variables.keys() == {variable(name) for name in KEYS}
    assert not any(value.startswith("S") for value in variables.values())  # those are the secret ones
