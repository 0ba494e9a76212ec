"""`admin webhooks …`."""

import json
from typing import Any

import pytest

from cli_proj.testing import FakeAppService, Program, SignIn

HOOK = {
    "id": "019a9f5c-0000-7000-8000-0000000000aa",
    "url": "https://partner.example/hooks",
    "types": ["shipment.*"],
    "description": "Partner",
    "state": "enabled",
    "waiting": 3,
    "created_at": "2026-11-20T12:00:00Z",
}
ENDED = HOOK | {"state": "disabled", "reason": "unreachable", "failing_since": "2026-11-19T12:00:00Z", "waiting": 0}
DELIVERY = {
    "delivery_id": "019a9f5c-0001-7000-8000-0000000000aa",
    "event_id": "019a9f5c-0002-7000-8000-0000000000aa",
    "type": "shipment.scanned.v1",
    "state": "failed",
    "recorded_at": "2026-11-20T12:00:00Z",
    "attempts": [{"at": "2026-11-20T12:00:00Z", "duration_ms": 9, "status": 503, "problem": "HTTP 503"}],
}


@pytest.fixture(autouse=True)
def _signed_in(sign_in: SignIn) -> None:
    sign_in()


@pytest.fixture
def ask(program: Program, service: FakeAppService) -> Any:
    """Run a command; the service gives this answer."""

    def run(status: int, answer: object, *arguments: str) -> Any:
        service.failures = [(status, answer)]
        return program.run("admin", "webhooks", *arguments)

    return run


def asked(service: FakeAppService) -> tuple[str, str, Any]:
    (method, path), body = service.requests[-1], service.bodies[-1]
    return method, path, json.loads(body) if body else None


def test_add_and_rotate_show_the_secret(ask: Any, service: FakeAppService) -> None:
    made = HOOK | {"secret": "whsec_of-the-partner"}
    done = ask(201, made, "add", "https://partner.example/hooks", "-t", "shipment.*", "--description", "Partner")
    assert asked(service) == (
        "POST",
        "/admin/webhooks",
        {"url": "https://partner.example/hooks", "types": ["shipment.*"], "description": "Partner"},
    )
    assert "whsec_of-the-partner" in done.stdout
    done = ask(200, made, "rotate", HOOK["id"], "--overlap", "2", "-o", "json")
    assert asked(service) == ("POST", f"/admin/webhooks/secret?id={HOOK['id']}", {"overlap_hours": 2})
    assert json.loads(done.stdout) == made


def test_list_and_show_say_how_each_is(ask: Any, service: FakeAppService) -> None:
    header, first, second = ask(200, {"webhooks": [HOOK, ENDED]}, "list").stdout.splitlines()
    assert header.split()[:2] == ["id", "url"]
    assert "enabled" in first
    assert "disabled: unreachable" in second
    as_lines = ask(200, {"webhooks": [HOOK, ENDED]}, "list", "-o", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in as_lines] == [HOOK, ENDED]
    assert "has no webhooks" in ask(200, {"webhooks": []}, "list").stderr
    assert "disabled: unreachable" in ask(200, ENDED, "show", HOOK["id"]).stdout
    assert asked(service)[:2] == ("GET", f"/admin/webhooks?id={HOOK['id']}")


def test_change_enable_test_and_remove(ask: Any, service: FakeAppService) -> None:
    where = f"/admin/webhooks?id={HOOK['id']}"
    ask(200, ENDED, "change", HOOK["id"], "-t", "*", "--disable")
    assert asked(service) == ("PATCH", where, {"types": ["*"], "state": "disabled"})
    ask(200, HOOK, "enable", HOOK["id"])
    assert asked(service) == ("PATCH", where, {"state": "enabled"})
    done = ask(202, {"delivery_id": DELIVERY["delivery_id"]}, "test", HOOK["id"])
    assert DELIVERY["delivery_id"] in done.stderr
    assert ask(204, b"", "remove", HOOK["id"], "--yes").returncode == 0
    assert asked(service) == ("DELETE", where, None)


def test_log_and_redeliver(ask: Any, service: FakeAppService) -> None:
    page = {"deliveries": [DELIVERY], "before": DELIVERY["delivery_id"]}
    done = ask(200, page, "log", HOOK["id"], "--state", "failed", "-n", "1")
    assert asked(service)[1] == f"/admin/webhooks/deliveries?id={HOOK['id']}&state=failed&limit=1"
    assert "HTTP 503" in done.stdout
    assert f"--before {DELIVERY['delivery_id']}" in done.stderr
    done = ask(202, {"deliveries": 2}, "redeliver", HOOK["id"], "--since", "2026-11-20T10:00Z")
    assert asked(service)[2] == {"since": "2026-11-20T10:00:00+00:00"}
    assert "2 on the way" in done.stderr
    ask(202, {"deliveries": 1}, "redeliver", HOOK["id"], "--delivery", DELIVERY["delivery_id"])
    assert asked(service)[2] == {"delivery_id": DELIVERY["delivery_id"]}
    assert ask(200, {}, "redeliver", HOOK["id"]).returncode == 2
    assert ask(200, {}, "redeliver", HOOK["id"], "--since", "soon").returncode == 2


def test_exit_codes_say_what_is_wrong(ask: Any, program: Program, service: FakeAppService) -> None:
    unknown = ask(404, {"title": "Not Found", "status": 404, "detail": "There is no such webhook."}, "show", "x")
    assert unknown.returncode == 5
    assert "webhooks list --at app-svc" in unknown.stderr
    assert ask(403, {"title": "no", "status": 403, "detail": "Not you."}, "list").returncode == 4
    before = len(service.requests)
    assert program.run("admin", "webhooks", "show", "x", "--at", "auth-svc").returncode == 5
    assert len(service.requests) == before, "auth-svc was asked"
