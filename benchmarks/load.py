"""Load from one core on a server that runs on another: wrk where it is installed, else a client in Python.

The Python client costs more than most of what it measures; the server's own CPU time is right with either.
"""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

LOAD_CORE = 1
CONNECTIONS = 32


class Request(NamedTuple):
    """One HTTP request, as the load sends it."""

    method: str
    path: str
    authorization: str = ""
    body: str = ""
    proof: str = ""
    """For the header `DPoP`."""

    def headers(self) -> dict[str, str]:
        """Those beside the length."""
        found = {"Authorization": self.authorization, "DPoP": self.proof}
        if self.body:
            found["Content-Type"] = "application/x-www-form-urlencoded"
        return {name: value for name, value in found.items() if value}

    def raw(self, host: str) -> bytes:
        """The bytes of HTTP/1.1."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers().items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


class Outcome(NamedTuple):
    """What the client saw. `refused` counts answers other than 2xx and 3xx, `broken` those that never came."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


def put_load(base_url: str, requests: Sequence[Request], seconds: float) -> Outcome:
    """Send `requests` in turn, over and over, on 32 connections for so many seconds."""
    if shutil.which("wrk"):
        return _with_wrk(base_url, requests, seconds)
    with _on_core(LOAD_CORE):
        return asyncio.run(_in_python(base_url, requests, seconds))


def _with_wrk(base_url: str, requests: Sequence[Request], seconds: float) -> Outcome:
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.writelines("\t".join(request) + "\n" for request in requests)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s"]
        command += [str(Path(__file__).with_name("requests.lua")), base_url, "--", file.name]
        with _on_core(LOAD_CORE):
            done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


async def _in_python(base_url: str, requests: Sequence[Request], seconds: float) -> Outcome:
    parts = urlsplit(base_url)
    raw = [request.raw(parts.netloc) for request in requests]
    times: list[float] = []
    refused = broken = at = 0
    end = time.perf_counter() + seconds

    async def one_connection() -> None:
        nonlocal refused, broken, at
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while (began := time.perf_counter()) < end:
                writer.write(raw[at % len(raw)])
                at += 1
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
                )
                await reader.readexactly(int(length.split(b":")[1]))
                times.append(time.perf_counter() - began)
                refused += head[9:10] not in b"23"
        except (OSError, asyncio.IncompleteReadError):
            broken += 1
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    took = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    return Outcome(len(times), took, cuts[49] * 1e3, cuts[98] * 1e3, refused, broken)


@contextmanager
def _on_core(core: int) -> Iterator[None]:
    """This process and what it starts stays on one core, so that it takes nothing from the server's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & before or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far, its threads included (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Memory that a process holds now, in MB of 10^6 bytes (Linux)."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6
