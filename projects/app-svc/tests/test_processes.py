"""app-svc as processes: how it starts, how it stops, and what is left after `kill -9`."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app_svc.__main__ import cli, main
from lib_one.http import AsyncClient, HTTPError, client
from lib_one.testing import eventually, free_port, nats_server


@pytest.fixture
def environment(issuer: Any, tmp_path: Path) -> dict[str, str]:
    secret = tmp_path / "secret"
    secret.write_text("app-svc-secret\n")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("APP_SVC_")}
    return inherited | {
        "APP_SVC_PORT": str(free_port()),
        "APP_SVC_DATABASE_URL": f"sqlite:///{tmp_path / 'data' / 'app.db'}",
        "APP_SVC_NATS_URL": f"nats://127.0.0.1:{free_port()}",
        "APP_SVC_ISSUER": issuer.url,
        "APP_SVC_CLIENT_SECRET_FILE": str(secret),
        "APP_SVC_SECRET_KEY_FILE": str(tmp_path / "secret.key"),
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app_svc", *arguments]


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, timeout=60, check=False)


@asynccontextmanager
async def serving(
    environment: dict[str, str], *arguments: str
) -> AsyncIterator[tuple[subprocess.Popen[bytes], AsyncClient]]:
    """A process that serves, from the moment in which it answers. Its log is shown if the test fails."""
    log = Path(environment["APP_SVC_CLIENT_SECRET_FILE"]).parent / "log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(command("serve", *arguments), env=environment, stderr=stderr)
    http = client(base_url=f"http://127.0.0.1:{environment['APP_SVC_PORT']}")
    try:

        async def answers() -> bool:
            try:
                return (await http.get("/health")).status_code == 200
            except HTTPError:
                assert process.poll() is None
                return False

        await eventually(answers)
        yield process, http
    finally:
        await http.aclose()
        process.kill()
        process.wait()
        sys.stderr.write(log.read_text())


async def test_sigterm_ends_it_cleanly_though_a_stream_is_open(
    environment: dict[str, str], issuer: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('erin', 'shipments:read')}"}
    async with (
        serving(environment) as (process, http),
        http.stream("GET", "/shipments/live", headers=headers) as response,
    ):
        assert response.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert "Traceback" not in capfd.readouterr().err


def test_the_worker_alone_ends_cleanly_as_well(environment: dict[str, str]) -> None:
    process = subprocess.Popen(command("work", "timeline"), env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    lines = []
    while b"the timeline worker runs" not in (line := process.stderr.readline()):
        assert line, lines
        lines.append(line)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert b"Traceback" not in stderr


def test_a_port_in_use_is_one_clear_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run(environment, "serve", "--port", str(port))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert str(port) in result.stderr


def invoke(environment: dict[str, str], *arguments: str) -> Result:
    """Run a command to its end, in this process."""
    return CliRunner().invoke(cli, arguments, env=environment, catch_exceptions=False)


def test_a_wrong_setting_refuses_to_start(environment: dict[str, str]) -> None:
    result = run(environment | {"APP_SVC_NATS_NKEY_FILE": "/nowhere/app-svc.nk"}, "serve")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "APP_SVC_NATS_NKEY_FILE" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_SVC_PROT", "8401"),
        ("APP_SVC_PORT", "many"),
        ("APP_SVC_ISSUER", "http://auth.example.com"),
        ("APP_SVC_DATABASE_URL", "mysql://somewhere"),
    ],
)
def test_a_wrong_setting_is_said_by_name(environment: dict[str, str], name: str, value: str) -> None:
    result = invoke(environment | {name: value}, "migrate")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert name in result.stderr


def test_a_secret_that_may_not_be_read_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied", "/run/app/client-secret")

    monkeypatch.setattr("app_svc.__main__.cli", refuse)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err == "app-svc: [Errno 13] Permission denied: '/run/app/client-secret'\n"


def test_migrate_can_be_repeated(environment: dict[str, str]) -> None:
    for _ in range(2):
        assert invoke(environment, "migrate").exit_code == 0
    folder = Path(environment["APP_SVC_DATABASE_URL"].removeprefix("sqlite:///")).parent
    assert folder.stat().st_mode & 0o777 == 0o700


def test_help_names_the_commands(environment: dict[str, str]) -> None:
    result = invoke(environment, "--help")
    assert {"serve", "work", "simulate", "migrate"} <= set(re.findall(r"\w+", result.stdout))


async def test_kill_9_in_the_middle_of_writes_loses_nothing_that_was_acknowledged(
    environment: dict[str, str], issuer: Any
) -> None:
    """Every answered write is there after the restart, its events too, and none is in the timeline twice."""
    place = {"name": "Here"}
    token = issuer.mint("clara", "shipments:read shipments:write shipments:scan")
    headers = {"Authorization": f"Bearer {token}"}
    registered: list[str] = []
    scanned: dict[str, int] = {}

    async def send(http: AsyncClient, path: str, body: dict[str, Any]) -> int:
        while (answer := await http.post(path, json=body, headers=headers)).status_code == 503:
            pass  # nobody tells this guard of revocations: it asks the issuer, and on a busy machine not always in time
        return answer.status_code

    async def write(http: AsyncClient, name: str) -> None:
        number = 0
        while True:
            number += 1
            reference = f"{name}-{number}"
            body: dict[str, Any] = {"reference": reference, "origin": place, "destination": place}
            try:
                assert await send(http, "/shipments", body) == 201
                registered.append(reference)
                for _ in range(2):
                    body = {"biz_step": "loading", "place": place}
                    assert await send(http, f"/shipments/{reference}/scans", body) == 201
                    scanned[reference] = scanned.get(reference, 0) + 1
            except HTTPError:
                return

    async with nats_server() as nats:
        environment["APP_SVC_NATS_URL"] = nats.url
        for round_ in range(2):
            async with serving(environment) as (process, http):
                writers = [asyncio.create_task(write(http, f"R{round_}W{number}")) for number in range(6)]
                enough = len(registered) + 40
                await eventually(lambda enough=enough: len(registered) > enough)
                process.send_signal(signal.SIGKILL)
                await asyncio.gather(*writers)
        async with serving(environment) as (_, http):
            for reference in registered:

                async def complete(reference: str = reference) -> list[dict[str, Any]] | None:
                    answer = await http.get(f"/shipments/{reference}/timeline", headers=headers)
                    assert answer.status_code == 200
                    body = answer.json()
                    revision = body["shipment"]["revision"]
                    return body["entries"] if len(body["entries"]) == revision else None

                entries = await eventually(complete)
                assert entries is not None
                assert len(entries) >= 1 + scanned.get(reference, 0)
                assert entries[0]["kind"] == "registered"
                assert len({entry["event_id"] for entry in entries}) == len(entries)
            ready = (await http.get("/ready")).json()
            assert ready["checks"]["outbox"]["pending"] == 0


async def test_serve_and_worker_in_two_processes_make_one_feed(environment: dict[str, str], issuer: Any) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('clara', 'shipments:read shipments:write')}"}
    async with nats_server() as nats:
        environment |= {"APP_SVC_NATS_URL": nats.url, "APP_SVC_WORKERS": "false"}
        async with serving(environment) as (_, http):
            body = {"reference": "A-1", "origin": {"name": "Here"}, "destination": {"name": "There"}}
            await http.post("/shipments", json=body, headers=headers)
            process = subprocess.Popen(command("work", "timeline"), env=environment, stderr=subprocess.DEVNULL)
            try:
                async with http.stream("GET", "/shipments/live", headers={**headers, "Last-Event-ID": "0"}) as response:

                    async def first() -> str:
                        async for line in response.aiter_lines():
                            if line.startswith("event:"):
                                return line
                        return ""

                    assert await asyncio.wait_for(first(), 60) == "event: registered"
            finally:
                process.terminate()
                assert await asyncio.to_thread(process.wait, 30) == 0
