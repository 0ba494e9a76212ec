"""What `deploy/` ships fits what it starts and what the page says of it. Nothing is started here."""

import os
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import app_svc.settings
import auth_svc.settings

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PAGE = (DEPLOY.parent / "docs" / "how-to" / "run-in-production.md").read_text()


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


def test_no_variable_holds_a_secret() -> None:
    told = set(re.findall(r"^(\w+_HOST)=", PAGE, re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) == told == {"AUTH_HOST", "APP_HOST"}


@pytest.mark.parametrize(
    ("service", "read"),
    [("auth-svc", auth_svc.settings.from_environment), ("app-svc", app_svc.settings.from_environment)],
)
def test_the_proxy_and_the_check_of_health_know_the_port(service: str, read: Any) -> None:
    port = read({}).port
    assert f"reverse_proxy {service}:{port} " in (DEPLOY / "Caddyfile").read_text()
    assert f"'http://127.0.0.1:{port}/ready'" in SERVICES[service]["healthcheck"]["test"][-1]


def test_the_build_reads_nothing_that_is_not_named() -> None:
    patterns = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] != "#"]
    assert patterns[0] == "*"
    assert {pattern for pattern in patterns if pattern.startswith("!")} == {"!pyproject.toml", "!uv.lock", "!projects"}


# What the commands of the page do on the machine: here the keys are empty, and nobody else gets the files.
OTHERS = """
uv() {
    case "$*" in
        *" keys deploy/secrets/nats") mkdir -p deploy/secrets/nats
            for key in auth-svc app-svc door-issuer door-curve door-keeper; do touch deploy/secrets/nats/$key.nk; done;;
        *) touch "${AUTH_SVC_SECRET_KEY_FILE:-$APP_SVC_SECRET_KEY_FILE}";;
    esac
}
chown() { :; }
"""


def test_the_commands_of_the_page_make_every_file_and_certificates_that_python_takes(tmp_path: Path) -> None:
    section = PAGE.split("## Keys and certificates")[1].split("\n## ")[0]
    commands = [block for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL) if "AUTH_HOST=" not in block]
    script = "".join([OTHERS, *commands])
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, check=True, capture_output=True, env=os.environ)
    secrets = tmp_path / "deploy" / "secrets"
    for service in SERVICES.values():
        mounted = dict(volume.split(":")[1::-1] for volume in service["volumes"])
        for inside in re.findall(r"/run/[\w/.-]+", " ".join(service.get("environment", {}).values())):
            folder = next(path for path in mounted if inside.startswith(f"{path}/"))
            file = DEPLOY / mounted[folder] / inside.removeprefix(f"{folder}/")
            if file.name != "client-secret":  # made with the services' first start
                assert (secrets / file.relative_to(DEPLOY / "secrets")).exists(), inside
    for node in (name for name in SERVICES if name.startswith("nats-")):
        shake_hands(secrets / "tls", node)


def shake_hands(folder: Path, name: str) -> None:
    """Have a client verify the certificate in `folder` as the services do; it shows the same one, as a node does."""
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
    server.verify_mode = ssl.CERT_REQUIRED
    for side in (client, server):
        side.load_cert_chain(folder / "node.crt", folder / "node.key")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)]
    for end in [*ends, *ends]:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
