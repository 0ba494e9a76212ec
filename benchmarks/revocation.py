"""How long a revoked token is still accepted: from the commit of the revocation until the last guard refuses it, and
until the connection that came into the bus with it is ended.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import commits
from benchmarks.load import Request
from benchmarks.running import Bench
from lib_one import http
from lib_one.event import Event
from lib_one.nats import NatsConnection
from lib_two.guard import Guard
from lib_two.revocation import RevocationView, State
from lib_two.validation import Claims

ROUNDS = 100


class _Watch:
    """Sees the moment in which the last of some views knows a token to be revoked."""

    def __init__(self, views: int) -> None:
        self.claims: Claims | None = None
        self.refused: asyncio.Future[float] = asyncio.Future()
        self._views = views
        self._knowing: set[RevocationView] = set()

    def expect(self, claims: Claims) -> None:
        """This token comes next."""
        self.claims, self.refused = claims, asyncio.Future()
        self._knowing.clear()

    def look(self, view: RevocationView) -> None:
        """This view has applied something."""
        if self.claims is not None and view.revoked(self.claims):
            self._knowing.add(view)
            if len(self._knowing) == self._views and not self.refused.done():
                self.refused.set_result(time.monotonic())


class _View(RevocationView):
    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def apply(self, event: Event, sequence: int) -> None:
        super().apply(event, sequence)
        self._watch.look(self)


async def refusal_latency(bench: Bench, guards: int) -> dict[str, Any]:
    """Revoke tokens one after the other, each known to `guards` guards with a connection each, and time the last.

    Between two revocations the machine is left alone for a moment, as it would be.
    """
    seed = (bench.system.data / "nats" / "app-svc.nk").read_text().strip()
    connections = [NatsConnection(bench.system.nats_url, name="app-svc", nkey_seed=seed) for _ in range(guards)]
    watch = _Watch(guards)
    views = [_View(watch) for _ in connections]
    notes = _note_commits(bench)
    tokens = bench.tokens(ROUNDS)
    from_question, from_commit = [], []
    ask = await _asker(bench)
    async with http.client() as client, asyncio.TaskGroup() as following:
        for connection in connections:
            await connection.start()
        tasks = [following.create_task(v.run(c)) for v, c in zip(views, connections, strict=True)]
        guard = Guard(
            issuer=bench.system.issuer,
            audience=bench.system.app_url,
            view=views[0],
            http=client,
            client_id="app-svc",
            client_secret=bench.secret("app-svc"),
        )
        while any(view.state() is not State.FRESH for view in views):
            await asyncio.sleep(0.05)
        for token in tokens:
            watch.expect((await guard.check(token)).claims)
            before = len(commits.read(notes))
            asked = time.monotonic()
            await ask(bench.post("/revoke", token=token))
            refused = await watch.refused
            (committed,) = commits.read(notes)[before:]
            from_question.append((refused - asked) * 1e3)
            from_commit.append((refused - committed) * 1e3)
            await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
    for connection in connections:
        await connection.close()
    row = {"guards": guards, "rounds": ROUNDS} | _summary("question", from_question) | _summary("commit", from_commit)
    print(
        f"revocation, {guards} guard{'s' if guards > 1 else ' '}: refused {row['commit_p50_ms']:.2f} ms (median) and "
        f"{row['commit_p99_ms']:.2f} ms (p99) after the commit; "
        f"{row['question_p50_ms']:.2f} and {row['question_p99_ms']:.2f} ms after the question was sent",
        flush=True,
    )
    return row


async def kick_latency(bench: Bench) -> dict[str, Any]:
    """Come into the bus with one token after the other, revoke it, and time the end of the connection."""
    notes = _note_commits(bench)
    address = urlsplit(bench.system.nats_url)
    ask = await _asker(bench)
    from_commit = []
    for token in bench.tokens(ROUNDS):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        options = {"auth_token": token, "verbose": False, "pedantic": False, "lang": "python", "version": "0"}
        writer.write(b"CONNECT %s\r\nPING\r\n" % json.dumps(options).encode())
        while (line := await reader.readline()) != b"PONG\r\n":
            if not line or line.startswith(b"-ERR"):
                raise RuntimeError(f"the bus: {line!r}")
        await asyncio.sleep(0.02)
        before = len(commits.read(notes))
        await ask(bench.post("/revoke", token=token))
        await reader.read()
        ended = time.monotonic()
        (committed,) = commits.read(notes)[before:]
        from_commit.append((ended - committed) * 1e3)
        writer.close()
    row = {"rounds": ROUNDS} | _summary("commit", from_commit)
    print(
        f"connection to the bus: ended {row['commit_p50_ms']:.2f} ms (median) and {row['commit_p99_ms']:.2f} ms (p99) "
        "after the commit of the revocation",
        flush=True,
    )
    return row


async def _asker(bench: Bench) -> Callable[[Request], Awaitable[None]]:
    """What posts to auth-svc, over one connection. A client of more comfort would take its time from the guards."""
    host = urlsplit(bench.system.issuer).netloc
    reader, writer = await asyncio.open_connection(*host.split(":"))

    async def ask(request: Request) -> None:
        writer.write(request.raw(host))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.findall(rb"(?i)content-length: *(\d+)", head)[0]))
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{request.path}: {head!r}")

    return ask


def _note_commits(bench: Bench) -> Path:
    """See to it that auth-svc notes its commits; returns where."""
    process = bench.processes["auth-svc"]
    notes = bench.system.data / "commits"
    if commits.FILE not in process.environment:
        process.command = [sys.executable, "-m", "benchmarks.commits", "serve"]
        process.environment = process.environment | {commits.FILE: str(notes)}
        bench.restart()
    return notes


def _summary(name: str, values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {f"{name}_p50_ms": round(cuts[49], 3), f"{name}_p99_ms": round(cuts[98], 3)}
