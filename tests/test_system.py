"""The whole system, as its users meet it: every step through the scripts, the pages and the wire."""

import base64
import hashlib
import json
import re
import secrets
import stat
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Page

from tests.running import CommandLine, FrontDoor, enter_credentials, until

pytestmark = pytest.mark.system

PLACE = {"name": "Rotterdam", "country": "Netherlands", "latitude": 51.95, "longitude": 4.14}


def client_credentials(system: FrontDoor, scope: str) -> str:
    """A token as a script gets it."""
    answer = httpx.post(
        f"{system.issuer}/token",
        data={"grant_type": "client_credentials", "scope": scope},
        auth=("simulator", system.secret("simulator")),
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def register(system: FrontDoor, reference: str) -> str:
    """A shipment to work with; its id."""
    body = {"reference": reference, "origin": PLACE, "destination": {"name": "Kampala", "country": "Uganda"}}
    token = client_credentials(system, "shipments:write")
    answer = httpx.post(f"{system.app_url}/shipments", json=body, headers=bearer(token))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def authorize(page: Page, system: FrontDoor, username: str, scope: str) -> dict[str, str]:
    """The code flow by hand, with a redirect to a port where nobody listens: the token response."""
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    state = secrets.token_urlsafe(16)
    query = {
        "response_type": "code",
        "client_id": "cli-proj",
        "redirect_uri": "http://127.0.0.1:9/callback",
        "scope": scope,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    came_back: list[str] = []
    page.route("http://127.0.0.1:9/**", lambda route: (came_back.append(route.request.url), route.fulfill(body="back")))
    page.goto(f"{system.issuer}/authorize?{urlencode(query)}")
    enter_credentials(page, username, system.password(username))
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url("http://127.0.0.1:9/**")
    response = {name: values[0] for name, values in parse_qs(urlsplit(came_back[0]).query).items()}
    assert response["state"] == state
    assert response["iss"] == system.issuer
    answer = httpx.post(
        f"{system.issuer}/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "cli-proj",
            "code": response["code"],
            "redirect_uri": query["redirect_uri"],
            "code_verifier": verifier,
        },
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def refresh(system: FrontDoor, refresh_token: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "client_id": "cli-proj", "refresh_token": refresh_token}
    return httpx.post(f"{system.issuer}/token", data=form)


def status_of(system: FrontDoor, token: str) -> int:
    return httpx.get(f"{system.app_url}/shipments", headers=bearer(token)).status_code


def refused_within(system: FrontDoor, token: str, seconds: float) -> None:
    """The token is refused from soon on, and app-svc asked nobody about it."""
    asked = introspections(system)
    until(lambda: status_of(system, token) == 401, seconds, "the refusal")
    assert introspections(system) == asked


def introspections(system: FrontDoor) -> int:
    """How often app-svc has asked auth-svc about a token."""
    return int(httpx.get(f"{system.app_url}/ready").json()["checks"]["revocation"]["checks"]["introspected"])


def test_front_door_says_what_runs_where_and_who_exists(system: FrontDoor) -> None:
    screen = system.output.read_text()
    for fact in (
        system.issuer,
        system.app_url,
        str(system.nats_port),
        "erin",
        "clara",
        "dan",
        "otto",
        "cli-proj login",
    ):
        assert fact in screen
    assert system.password("clara") in screen
    assert stat.S_IMODE((system.data / "system.json").stat().st_mode) == 0o600
    assert set(system.facts["processes"]) == {"nats-server", "auth-svc", "app-svc", "simulator"}


def test_second_instance_on_the_same_data_gets_one_clear_line(system: FrontDoor) -> None:
    second = FrontDoor(system.data)
    assert second.process.wait(60) == 1
    lines = second.output.read_text().strip().splitlines()
    assert len(lines) == 1
    assert "already runs" in lines[0]


def test_port_in_use_gets_one_clear_line(system: FrontDoor, tmp_path: Path) -> None:
    second = FrontDoor(tmp_path / "data", ports=[system.auth_port, 1, 1])
    assert second.process.wait(60) == 1
    lines = second.output.read_text().strip().splitlines()
    assert len(lines) == 1
    assert f"Port {system.auth_port} " in lines[0]
    assert "--auth-port" in lines[0]


def test_ctrl_c_stops_everything_and_the_next_start_finds_the_same_data(tmp_path: Path) -> None:
    door = FrontDoor(tmp_path / "data", "--no-demo").wait_until_up()
    assert "Nobody can sign in yet" in door.output.read_text()
    pids = list(door.facts["processes"].values())
    keys = httpx.get(f"{door.issuer}/jwks").json()
    assert door.stop() == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    again = FrontDoor(tmp_path / "data", "--no-demo").wait_until_up()
    try:
        assert httpx.get(f"{again.issuer}/jwks").json() == keys
    finally:
        assert again.stop() == 0


def test_person_signs_in_from_the_command_line_through_the_pages(system: FrontDoor, page: Page, tmp_path: Path) -> None:
    cli = system.cli(tmp_path)
    cli.sign_in(page, "otto", system.password("otto"))
    token = cli.run("token").strip()
    assert token.count(".") == 2
    assert status_of(system, token) == 200
    assert "otto" in cli.run("whoami")
    register(system, "SYS-CLI-1")
    cli.run("scan", "SYS-CLI-1", "accepting", "--at", "Rotterdam")
    until(lambda: "accepting" in cli.run("shipments", "show", "SYS-CLI-1"), what="the scan in the timeline")
    until(lambda: how_it_is(cli)["asked_by"] == "cli-proj", what="the processes on the bus")
    cli.run("logout")
    refused_within(system, token, 1.0)
    cli.run("token", code=3)


def how_it_is(cli: CommandLine) -> dict[str, Any]:
    """What an operator is told, however it is."""
    with cli.start("status", "--json") as asking:
        told: dict[str, Any] = json.loads(asking.communicate(timeout=60)[0])
    return told


def test_person_signs_in_with_the_device_flow(system: FrontDoor, page: Page, tmp_path: Path) -> None:
    cli = system.cli(tmp_path)
    seen: list[str] = []
    with cli.start("login", "--device") as login:
        words = login.stderr
        assert words is not None
        reader = threading.Thread(target=lambda: seen.extend(iter(words.readline, "")), daemon=True)
        reader.start()
        allow_device(page, system, seen)
        assert login.wait(30) == 0, "".join(seen)
        reader.join(5)
    assert "erin" in cli.run("whoami")
    assert "SIM-" in cli.run("shipments", "list", "--search", "SIM-")


def allow_device(page: Page, system: FrontDoor, seen: list[str]) -> None:
    """Erin, at another screen, with the code that the terminal shows."""
    code = until(lambda: re.search(r"\b[B-Z]{4}-[B-Z]{4}\b", "".join(seen)), what="the user code")
    page.goto(f"{system.issuer}/device")
    enter_credentials(page, "erin", system.password("erin"))
    page.get_by_label("Code").fill(code.group())
    page.get_by_role("button", name="Continue").click()
    assert code.group() in page.content()
    page.get_by_role("button", name="Allow").click()


def test_script_gets_a_token_with_its_secret_from_the_environment(system: FrontDoor, tmp_path: Path) -> None:
    cli = system.cli(tmp_path)
    asked = ("token", "--client-id", "simulator", "--scope", "shipments:read")
    token = cli.run(*asked, CLI_CLIENT_SECRET=system.secret("simulator")).strip()
    assert status_of(system, token) == 200
    assert httpx.post(f"{system.app_url}/shipments", json={}, headers=bearer(token)).status_code == 403


def test_scan_reaches_the_timeline_and_the_live_feed(system: FrontDoor) -> None:
    shipment = register(system, "SYS-LIVE-1")
    token = client_credentials(system, "shipments:read shipments:scan")
    live = f"{system.app_url}/shipments/live?shipment_id={shipment}"
    with httpx.stream("GET", live, headers=bearer(token), timeout=60) as feed:
        assert feed.headers["content-type"].startswith("text/event-stream")
        scan = {"biz_step": "departing", "place": PLACE}
        answer = httpx.post(f"{system.app_url}/shipments/{shipment}/scans", json=scan, headers=bearer(token))
        assert answer.status_code == 201
        for line in feed.iter_lines():
            if line.startswith("data:") and "departing" in line:
                entry = json.loads(line[5:])["entry"]
                break
    assert entry["place"]["name"] == "Rotterdam"
    timeline = httpx.get(f"{system.app_url}/shipments/{shipment}/timeline", headers=bearer(token)).json()
    assert [e["kind"] for e in timeline["entries"]] == ["registered", "scanned"]


def test_employee_cannot_scan(system: FrontDoor, page: Page) -> None:
    tokens = authorize(page, system, "erin", "shipments:read shipments:scan")
    assert tokens["scope"] == "shipments:read"
    shipment = register(system, "SYS-ROLE-1")
    scan = {"biz_step": "departing", "place": PLACE}
    answer = httpx.post(
        f"{system.app_url}/shipments/{shipment}/scans", json=scan, headers=bearer(tokens["access_token"])
    )
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_reused_refresh_token_kills_the_family_everywhere(system: FrontDoor, page: Page) -> None:
    """RFC 9700 section 4.14.2."""
    first = authorize(page, system, "dan", "openid shipments:read offline_access")
    answer = refresh(system, first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert status_of(system, second["access_token"]) == 200
    reused = refresh(system, first["refresh_token"])
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert refresh(system, second["refresh_token"]).json()["error"] == "invalid_grant"
    refused_within(system, second["access_token"], 1.0)


def test_revoked_token_is_refused_within_a_second_and_nobody_is_asked(system: FrontDoor) -> None:
    token = client_credentials(system, "shipments:read")
    assert status_of(system, token) == 200
    form = {"token": token}
    answer = httpx.post(f"{system.issuer}/revoke", data=form, auth=("simulator", system.secret("simulator")))
    assert answer.status_code == 200
    refused_within(system, token, 1.0)


def test_sign_out_ends_what_the_session_gave(system: FrontDoor, page: Page) -> None:
    tokens = authorize(page, system, "erin", "openid shipments:read offline_access")
    assert status_of(system, tokens["access_token"]) == 200
    page.goto(f"{system.issuer}/signout")
    page.get_by_role("button", name="Sign out").click()
    refused_within(system, tokens["access_token"], 1.0)
    assert refresh(system, tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_live_feed_ends_when_its_token_is_revoked(system: FrontDoor) -> None:
    token = client_credentials(system, "shipments:read")
    with httpx.stream("GET", f"{system.app_url}/shipments/live", headers=bearer(token), timeout=60) as feed:
        secret = system.secret("simulator")
        httpx.post(f"{system.issuer}/revoke", data={"token": token}, auth=("simulator", secret)).raise_for_status()
        began = time.monotonic()
        for _ in feed.iter_lines():  # which never end of themselves
            assert time.monotonic() - began < 30
