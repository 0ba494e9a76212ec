"""The running system under measurement: the measured server alone on its core, everything else on the other one."""

import argparse
import asyncio
import base64
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from benchmarks.load import LOAD_CORE, Outcome, Request, cpu_seconds, put_load
from benchmarks.yardstick import yardstick
from deploy.one_machine import System, keep_secret, write_private
from deploy.processes import Process, listening, ready
from lib_one import http
from lib_one.testing import free_port

SERVER_CORE = 0
CLIENT = "benchmark"
"""A client that may do all that is measured."""
SCOPE = "shipments:read shipments:write"
REDIRECT_URI = "https://client.example.com/callback"


def basic(client_id: str, secret: str) -> str:
    """The header with which a client says who it is. Neither part has a character that must be encoded."""
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


class Row(NamedTuple):
    """One path to be measured."""

    name: str
    server: str
    requests: Callable[[int], list[Request]]
    """Makes so many of them, or the one that is sent over and over."""
    rate: int = 0
    """Of requests that are good once: more than the server can answer in a second. 0: they can be repeated."""
    warm: bool = True


class Bench:
    """The running system, pinned."""

    def __init__(self, system: System, processes: dict[str, Process], yardstick_url: str) -> None:
        self.system, self.processes = system, processes
        self.urls = {"auth-svc": system.issuer, "app-svc": system.app_url, "yardstick": yardstick_url}
        self.client = basic(CLIENT, self.secret(CLIENT))
        self._last_yardstick = 0.0

    def secret(self, client_id: str) -> str:
        """The secret of a client."""
        return keep_secret(self.system.data / "secrets" / client_id)

    def post(self, path: str, *, proof: str = "", **form: str) -> Request:
        """A form that the client posts to auth-svc."""
        return Request("POST", path, self.client, urlencode(form), proof)

    def ask(self, requests: list[Request]) -> list[dict[str, Any]]:
        """Post to auth-svc over one plain connection, and return the answers.

        Through httpx 20,000 of them would take a minute, nearly all of it httpx.
        """
        connection = HTTPConnection(urlsplit(self.system.issuer).netloc)
        found: list[dict[str, Any]] = []
        for request in requests:
            connection.request(request.method, request.path, request.body, request.headers())
            found.append(json.loads(connection.getresponse().read()))
        connection.close()
        return found

    def tokens(self, count: int) -> list[str]:
        """Fresh access tokens."""
        request = self.post("/token", grant_type="client_credentials", scope=SCOPE)
        return [answer["access_token"] for answer in self.ask([request] * count)]

    async def shipment(self, token: str) -> str:
        """The id of a shipment to look at."""
        place = {"name": "Rotterdam", "country": "Netherlands"}
        body = {"reference": "BENCH-1", "origin": place, "destination": place}
        async with http.client(base_url=self.system.app_url) as client:
            answer = await client.post("/shipments", json=body, headers={"Authorization": f"Bearer {token}"})
        return str(answer.raise_for_status().json()["id"])

    def restart(self) -> None:
        """Stop auth-svc and start it again: it sweeps what has expired at once."""
        process = self.processes["auth-svc"]
        process.stop()
        process.start()
        while not ready(urlsplit(self.system.issuer).port or 0):
            time.sleep(0.01)

    def rest(self) -> None:
        """Wait until the relays have nothing to do, so that one row does not pay for another."""
        for url in (self.system.issuer, self.system.app_url):
            while asyncio.run(_pending(url)):
                time.sleep(0.1)

    def measure(self, row: Row, seconds: float) -> dict[str, Any]:
        """Load one path between two looks at the yardstick, and print its row."""
        requests = row.requests(round(row.rate * (seconds + row.warm)))
        pid = self.processes[row.server].pid
        warming = requests
        if row.rate:
            warming, requests = requests[: row.rate], requests[row.rate :]
        if row.warm:
            pin(pid, SERVER_CORE)
            put_load(self.urls[row.server], warming, 1)
        self.rest()
        for part, process in self.processes.items():
            pin(process.pid, SERVER_CORE if part in (row.server, "yardstick") else LOAD_CORE)
        before = self._last_yardstick or self._look()
        cost, outcome = self._cost(row.server, requests, seconds)
        self._last_yardstick = self._look()
        return _printed(row.name, cost, (before + self._last_yardstick) / 2, outcome)

    def _look(self) -> float:
        return self._cost("yardstick", [Request("GET", "/")], 1)[0]

    def _cost(self, server: str, requests: list[Request], seconds: float) -> tuple[float, Outcome]:
        """CPU microseconds for a request, and what the client saw."""
        pid = self.processes[server].pid
        before = cpu_seconds(pid)
        outcome = put_load(self.urls[server], requests, seconds)
        return (cpu_seconds(pid) - before) / max(1, outcome.requests) * 1e6, outcome


def _printed(name: str, cost: float, bare: float, outcome: Outcome) -> dict[str, Any]:
    row = {"name": name, "ratio": round(cost / bare, 2), "cpu_us": round(cost, 1), "yardstick_us": round(bare, 1)}
    row |= {"requests_per_second": round(outcome.requests / outcome.seconds), "p50_ms": outcome.p50_ms}
    row |= {"p99_ms": outcome.p99_ms, "refused": outcome.refused, "broken": outcome.broken}
    print(
        f"{name:<52}{row['ratio']:>7.2f} x {bare:>5.1f} ={cost:>7.1f} µs CPU{row['requests_per_second']:>8} req/s"
        f"{outcome.p50_ms:>8.2f} p50{outcome.p99_ms:>8.2f} p99 ms"
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


def _add_client(system: System) -> None:
    seed_file = system.data / "seed.json"
    seed = json.loads(seed_file.read_text())
    seed["clients"].append(
        {
            "client_id": CLIENT,
            "client_name": "Benchmark",
            "secret": keep_secret(system.data / "secrets" / CLIENT),
            "grant_types": ["client_credentials", "authorization_code", "refresh_token"],
            "scope": f"openid offline_access {SCOPE}",
            "redirect_uris": [REDIRECT_URI],
            "rotate_refresh_tokens": True,
        }
    )
    write_private(seed_file, json.dumps(seed))


@contextmanager
def running_system() -> Iterator[Bench]:
    """The system in a new folder, without the simulator at work, and the yardstick beside it."""
    with tempfile.TemporaryDirectory() as folder:
        options = argparse.Namespace(
            auth_port=free_port(), app_port=free_port(), nats_port=free_port(), data_dir=Path(folder), demo=True
        )
        system = System(options)
        system.prepare()
        _add_client(system)
        processes = {process.name: process for process in system.processes() if process.name != "simulator"}
        yardstick_url, processes["yardstick"] = yardstick(system.data / "logs")
        tests = {
            "nats-server": lambda: listening(options.nats_port),
            "auth-svc": lambda: ready(options.auth_port),
            "app-svc": lambda: ready(options.app_port),
            "yardstick": lambda: listening(urlsplit(yardstick_url).port or 0),
        }
        try:
            for name, process in processes.items():
                process.start()
                while not tests[name]():
                    if not process.alive:
                        raise SystemExit(f"{name} did not start:\n{process.last_words()}")
                    time.sleep(0.01)
            yield Bench(system, processes, yardstick_url)
        finally:
            for process in reversed(processes.values()):
                process.stop()
