"""What breaks, and what must hold all the same: no acknowledged fact is lost, and none takes effect twice."""

import json
import os
import shutil
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import FrontDoor, Parts, until

pytestmark = pytest.mark.system

PLACE = {"name": "Mombasa", "country": "Kenya"}
OUTAGE_SECONDS = 30


class Worker:
    """A program that works with shipments, and goes on when a service is away for a moment."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.http = parts.closing.enter_context(httpx.Client(timeout=60))
        self.token = self.fetch_token()

    def fetch_token(self) -> str:
        form = {"grant_type": "client_credentials", "scope": "shipments:read shipments:write shipments:scan"}
        answer = self.http.post(
            f"{self.parts.issuer}/token", data=form, auth=("simulator", self.parts.secret("simulator"))
        )
        return str(answer.raise_for_status().json()["access_token"])

    def register(self, reference: str) -> httpx.Response:
        body = {"reference": reference, "origin": PLACE, "destination": PLACE}
        return self.ask("POST", f"{self.parts.app_url}/shipments", json=body)

    def ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request until the guard can tell: while it hears nothing it asks auth-svc, which may be busy."""

        def answer() -> httpx.Response | None:
            found = self.http.request(method, url, headers=self.headers, **options)
            return None if found.status_code == 503 else found

        found = until(answer, what="an answer")
        assert found is not None
        return found

    def kinds(self, shipment: str) -> list[str]:
        """The kinds of the entries of a timeline."""
        answer = self.ask("GET", f"{self.parts.app_url}/shipments/{shipment}/timeline")
        return [entry["kind"] for entry in answer.raise_for_status().json()["entries"]]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def pending(url: str) -> int:
    """Facts in a service's outbox that have not been acknowledged by the bus."""
    return int(httpx.get(f"{url}/ready").json()["checks"]["outbox"]["pending"])


def test_nats_away_for_30_seconds_loses_nothing_and_stops_nobody(parts: Parts) -> None:
    parts.start("nats-server", "auth-svc", "app-svc")
    worker = Worker(parts)
    parts["nats-server"].stop()
    away = time.monotonic()
    registered = []
    number = 0
    while time.monotonic() - away < OUTAGE_SECONDS:
        number += 1
        answer = worker.register(f"OUTAGE-{number}")
        assert answer.status_code == 201, answer.text
        registered.append(answer.json()["id"])
        worker.token = worker.fetch_token()
        time.sleep(1)
    assert pending(parts.app_url) >= len(registered)
    assert pending(parts.issuer) > 0
    parts.start("nats-server")
    until(lambda: pending(parts.app_url) == 0 and pending(parts.issuer) == 0, what="the outboxes to drain")
    for shipment in registered:
        until(lambda shipment=shipment: worker.kinds(shipment) == ["registered"], what="the timeline")  # type: ignore[misc]


def test_services_start_and_work_while_nats_is_away(parts: Parts) -> None:
    parts.start("nats-server")
    parts["nats-server"].stop()
    parts.start("auth-svc", "app-svc")
    worker = Worker(parts)
    answer = worker.register("EARLY-1")
    assert answer.status_code == 201, answer.text
    assert pending(parts.app_url) == 1
    parts.start("nats-server")
    until(lambda: worker.kinds(answer.json()["id"]) == ["registered"], what="the timeline")
    until(lambda: pending(parts.issuer) == 0, what="the outbox of auth-svc to drain")


def test_app_svc_killed_in_the_middle_of_writes_keeps_what_it_acknowledged(parts: Parts) -> None:
    parts.start("nats-server", "auth-svc", "app-svc")
    worker = Worker(parts)
    acknowledged: list[str] = []

    def write(lane: int) -> None:
        with httpx.Client(timeout=60) as client:
            for number in range(1000):
                body = {"reference": f"KILL-{lane}-{number}", "origin": PLACE, "destination": PLACE}
                try:
                    answer = client.post(f"{parts.app_url}/shipments", json=body, headers=worker.headers)
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.append(answer.json()["id"])

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, lane) for lane in range(4)]
        until(lambda: len(acknowledged) > 100)
        parts.kill("app-svc")
        for writer in writers:
            writer.result()
    parts.start("app-svc")
    until(lambda: pending(parts.app_url) == 0, what="the outbox to drain")
    for shipment in acknowledged:
        until(lambda shipment=shipment: worker.kinds(shipment) == ["registered"], what="the timeline")  # type: ignore[misc]


def test_auth_svc_killed_in_the_middle_of_issuing_keeps_its_promises(parts: Parts) -> None:
    """Every revocation that was acknowledged before the kill bites after it, at a guard that was not told as well."""
    parts.start("nats-server", "auth-svc", "app-svc")
    worker = Worker(parts)
    tokens = [worker.fetch_token() for _ in range(40)]
    auth = ("simulator", parts.secret("simulator"))
    revoked = []
    for number, token in enumerate(tokens):
        try:
            answer = worker.http.post(f"{parts.issuer}/revoke", data={"token": token}, auth=auth)
        except httpx.TransportError:
            break
        if answer.status_code == 200:
            revoked.append(token)
        if number == 20:
            parts.kill("auth-svc")
    assert len(revoked) >= 20
    parts.start("auth-svc")
    look = f"{parts.app_url}/shipments"
    for token in revoked:
        headers = {"Authorization": f"Bearer {token}"}
        until(lambda headers=headers: worker.http.get(look, headers=headers).status_code == 401)  # type: ignore[misc]
    kept = [token for token in tokens if token not in revoked]
    until(lambda: worker.http.get(look, headers={"Authorization": f"Bearer {kept[-1]}"}).status_code == 200)


def test_bus_killed_while_services_work_costs_no_entry_and_makes_no_second(parts: Parts) -> None:
    parts.start("nats-server", "auth-svc", "app-svc")
    worker = Worker(parts)
    first = worker.register("BUS-1").raise_for_status().json()["id"]
    until(lambda: worker.kinds(first) == ["registered"])
    parts.kill("nats-server")
    second = worker.register("BUS-2").raise_for_status().json()["id"]
    parts.start("nats-server")
    until(lambda: worker.kinds(second) == ["registered"])
    scan = {"scan_id": str(uuid.uuid4()), "biz_step": "loading", "place": PLACE}
    for _ in range(3):  # the same scan three times has one effect
        url = f"{parts.app_url}/shipments/{first}/scans"
        assert worker.ask("POST", url, json=scan).status_code in (200, 201)
    until(lambda: worker.kinds(first) == ["registered", "scanned"])


def test_loss_of_all_streams_makes_no_revoked_token_good_and_costs_no_entry(parts: Parts) -> None:
    parts.start("nats-server", "auth-svc", "app-svc")
    worker = Worker(parts)
    revoked = worker.fetch_token()
    look = f"{parts.app_url}/shipments"
    auth = ("simulator", parts.secret("simulator"))
    worker.http.post(f"{parts.issuer}/revoke", data={"token": revoked}, auth=auth).raise_for_status()
    shipments = [worker.register(f"LOSS-{number}").raise_for_status().json()["id"] for number in range(50)]
    until(lambda: _status(worker, look, revoked) == 401)
    until(lambda: pending(parts.app_url) == 0 and pending(parts.issuer) == 0, what="the outboxes to drain")
    # What was stored and acknowledged is gone, and so is what app-svc knew; some of it may not have been read yet.
    parts.kill("nats-server")
    parts.kill("app-svc")
    shutil.rmtree(parts.system.data / "nats" / "jetstream")
    parts.start("nats-server", "app-svc")

    def fresh() -> bool:
        assert _status(worker, look, revoked) in (401, 503)
        return _state(parts) == "FRESH"

    until(fresh, what="a fresh view")
    until(lambda: _status(worker, look, revoked) == 401)
    assert worker.ask("GET", look).status_code == 200
    shipments.append(worker.register("LOSS-LAST").raise_for_status().json()["id"])
    for shipment in shipments:
        until(lambda shipment=shipment: worker.kinds(shipment) == ["registered"], what="the timeline")  # type: ignore[misc]
    until(lambda: pending(parts.app_url) == 0 and pending(parts.issuer) == 0, what="the outboxes to drain")
    assert all(worker.kinds(shipment) == ["registered"] for shipment in shipments)


def _status(worker: Worker, url: str, token: str) -> int:
    return worker.http.get(url, headers={"Authorization": f"Bearer {token}"}).status_code


def _state(parts: Parts) -> str:
    return str(httpx.get(f"{parts.app_url}/ready").json()["checks"]["revocation"]["state"])


def test_guard_that_cannot_know_asks_and_then_refuses(parts: Parts) -> None:
    parts.start("nats-server", "auth-svc", "app-svc")
    worker = Worker(parts)
    look = f"{parts.app_url}/shipments"
    assert worker.ask("GET", look).status_code == 200
    parts["nats-server"].stop()
    states = []

    def stale() -> bool:
        states.append(httpx.get(f"{parts.app_url}/ready").json()["checks"]["revocation"]["state"])
        return states[-1] != "FRESH"

    until(stale, what="doubt")
    assert worker.ask("GET", look).status_code == 200  # asked auth-svc
    parts.kill("auth-svc")
    answer = until(lambda: _unless_ok(worker.http.get(look, headers=worker.headers)))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert json.loads(answer.text)["status"] == 503
    parts.start("nats-server", "auth-svc")
    until(lambda: worker.http.get(look, headers=worker.headers).status_code == 200, what="trust")


def _unless_ok(answer: httpx.Response) -> httpx.Response | None:
    return None if answer.status_code == 200 else answer


def test_main_py_starts_again_what_died(tmp_path: Path) -> None:
    door = FrontDoor(tmp_path / "data").wait_until_up()
    try:
        before = door.facts["processes"]["app-svc"]
        os.kill(before, signal.SIGKILL)
        until(lambda: door.facts["processes"]["app-svc"] != before, what="the restart")
        until(lambda: httpx.get(f"{door.app_url}/health").status_code == 200)
    finally:
        assert door.stop() == 0
