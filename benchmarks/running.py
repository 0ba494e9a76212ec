"""The running system under measurement: the measured server alone on its core, everything else on the other one."""

import argparse
import asyncio
import base64
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.load import LOAD_CORE, Request, cpu_seconds, put_load
from deploy.one_machine import System
from deploy.processes import Process, listening, ready
from lib_one import http
from lib_one.testing import free_port

SERVER_CORE = 0


def basic(client_id: str, secret: str) -> str:
    """The header with which a client says who it is. Neither part has a character that must be encoded."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


class Bench:
    """The running system, pinned, with a token in hand."""

    def __init__(self, system: System, processes: dict[str, Process]) -> None:
        self.system, self.processes = system, processes
        self.secret = (system.data / "secrets" / "simulator").read_text().strip()

    def token_request(self) -> Request:
        """Client credentials, authenticated by header."""
        form = "grant_type=client_credentials&scope=shipments%3Aread"
        return Request("POST", "/token", basic("simulator", self.secret), form)

    def tokens(self, count: int, scope: str = "shipments:read shipments:write") -> list[str]:
        """Fresh access tokens, straight from the authorization server.

        Over one plain connection: 20,000 of them through httpx would take a minute, nearly all of it httpx.
        """
        form = urlencode({"grant_type": "client_credentials", "scope": scope})
        headers = {
            "Authorization": basic("simulator", self.secret),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection = HTTPConnection(urlsplit(self.system.issuer).netloc)
        found: list[str] = []
        while len(found) < count:
            connection.request("POST", "/token", form, headers)
            found.append(json.loads(connection.getresponse().read())["access_token"])
        connection.close()
        return found

    async def shipment(self, token: str) -> str:
        """The id of a shipment to look at."""
        place = {"name": "Rotterdam", "country": "Netherlands"}
        body = {"reference": "BENCH-1", "origin": place, "destination": place}
        async with http.client(base_url=self.system.app_url) as client:
            answer = await client.post("/shipments", json=body, headers={"Authorization": f"Bearer {token}"})
        return str(answer.raise_for_status().json()["id"])

    def rest(self) -> None:
        """Wait until the relays have nothing to do, so that one row does not pay for another."""
        for url in (self.system.issuer, self.system.app_url):
            while asyncio.run(_pending(url)):
                time.sleep(0.1)

    def measure(
        self, name: str, server: str, requests: list[Request], seconds: float, *, warm: bool = True
    ) -> dict[str, Any]:
        """Load one path and print its row."""
        url = self.system.issuer if server == "auth-svc" else self.system.app_url
        if warm:
            pin(self.processes[server].pid, SERVER_CORE)
            put_load(url, requests, 1)
        self.rest()
        for part, process in self.processes.items():
            pin(process.pid, SERVER_CORE if part == server else LOAD_CORE)
        pid = self.processes[server].pid
        before = cpu_seconds(pid)
        outcome = put_load(url, requests, seconds)
        used = cpu_seconds(pid) - before
        row = {"name": name, "cpu_us_per_request": round(used / max(1, outcome.requests) * 1e6, 1)}
        row |= {"requests_per_second": round(outcome.requests / outcome.seconds), "p50_ms": outcome.p50_ms}
        row |= {"p99_ms": outcome.p99_ms, "refused": outcome.refused, "broken": outcome.broken}
        print(
            f"{name:<44}{row['cpu_us_per_request']:>8} µs CPU{row['requests_per_second']:>9} req/s"
            f"{outcome.p50_ms:>9.2f} p50{outcome.p99_ms:>9.2f} p99 ms"
            + (f"   {outcome.refused} refused, {outcome.broken} broken" if outcome.refused or outcome.broken else ""),
            flush=True,
        )
        return row


async def _pending(url: str) -> int:
    async with http.client(base_url=url) as client:
        return int((await client.get("/ready")).json()["checks"]["outbox"]["pending"])


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


@contextmanager
def running_system() -> Iterator[Bench]:
    """The system in a new folder, without the simulator at work."""
    with tempfile.TemporaryDirectory() as folder:
        options = argparse.Namespace(
            auth_port=free_port(), app_port=free_port(), nats_port=free_port(), data_dir=Path(folder), demo=True
        )
        system = System(options)
        system.prepare()
        processes = {process.name: process for process in system.processes() if process.name != "simulator"}
        tests = {
            "nats-server": lambda: listening(options.nats_port),
            "auth-svc": lambda: ready(options.auth_port),
            "app-svc": lambda: ready(options.app_port),
        }
        try:
            for name, process in processes.items():
                process.start()
                while not tests[name]():
                    if not process.alive:
                        raise SystemExit(f"{name} did not start:\n{process.last_words()}")
                    time.sleep(0.01)
            yield Bench(system, processes)
        finally:
            for process in reversed(processes.values()):
                process.stop()
