"""What `deploy/` ships fits what it starts: settings have these names, files are there. Nothing is started here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import app_svc.settings
import auth_svc.settings

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def environment(service: str, folder: Path) -> dict[str, str]:
    """The variables of a service, with its secrets in `folder`, where every file is there."""
    found = {}
    for name, value in SERVICES[service]["environment"].items():
        text = re.sub(r"\$\{(\w+):\?\}", lambda match: f"{match[1].lower()}.example".replace("_", "-"), value)
        if text.startswith("/run/"):
            path = folder / Path(text).relative_to("/run")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            text = str(path)
        found[name] = text
    return found


@pytest.mark.parametrize(
    ("service", "read"),
    [("auth-svc", auth_svc.settings.from_environment), ("app-svc", app_svc.settings.from_environment)],
)
def test_every_variable_is_a_setting_and_every_value_is_valid(
    service: str, read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(service, tmp_path).items():
        monkeypatch.setenv(name, value)
    settings = read()
    nodes = [name for name in SERVICES if name.startswith("nats-")]
    assert settings.nats_url == ",".join(f"tls://{node}:4222" for node in nodes)
    assert settings.nats_replicas == len(nodes) == 3
    assert settings.nats_ca_file is not None


def test_every_file_that_is_mounted_is_shipped_or_a_secret() -> None:
    for service in SERVICES.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert source.startswith("./secrets/") or (DEPLOY / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


def test_secrets_are_ignored_by_git() -> None:
    ignored = (DEPLOY.parent / ".gitignore").read_text().splitlines()
    assert {"deploy/secrets/", "deploy/.env"} <= set(ignored)
