"""What the system takes to start and to stand still: `main.py` as its users start it, and `cli-proj token`."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.load import resident_mb
from lib_one.event import utc_now
from lib_one.testing import free_port
from lib_two.token_store import TokenSet, TokenStore

ROOT = Path(__file__).resolve().parent.parent
SETTLED = 5
"""Seconds after which a started system is at rest."""
CALLS = 20


def footprint() -> dict[str, Any]:
    """Start twice on the same data, the first time with everything to make; then ask for a stored token."""
    with tempfile.TemporaryDirectory() as folder:
        ports = [f"--{port}-port={free_port()}" for port in ("auth", "app", "nats")]
        found = {name: _start(Path(folder) / "data", ports, name) for name in ("first start", "next start")}
        return found | {"cli_token_ms": _stored_token(Path(folder))}


def _start(data: Path, ports: list[str], name: str) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "main.py"), f"--data-dir={data}", *ports]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT) as door:
        while not (data / "system.json").exists():
            if door.poll() is not None:
                raise SystemExit("main.py did not start")
            time.sleep(0.01)
        ready = time.perf_counter() - began
        time.sleep(SETTLED)
        processes = json.loads((data / "system.json").read_text())["processes"]
        memory = {part: round(resident_mb(pid), 1) for part, pid in processes.items()}
        door.terminate()
    print(f"main.py, {name}: ready after {ready:.2f} s", flush=True)
    print("  at rest: " + ", ".join(f"{part} {mb:.0f} MB" for part, mb in memory.items()), flush=True)
    return {"ready_seconds": round(ready, 2), "resident_mb": memory}


def _stored_token(folder: Path) -> dict[str, float]:
    issuer = "http://127.0.0.1:1"
    tokens = TokenSet(access_token="x" * 600, token_type="Bearer", expires_at=utc_now() + timedelta(hours=1), scope="")
    TokenStore(folder, keyring=False).save(issuer, "cli-proj", tokens)
    environment = {**os.environ, "CLI_ISSUER": issuer, "CLI_STATE_DIR": str(folder), "CLI_KEYRING": "false"}
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        command = [str(Path(sys.executable).with_name("cli-proj")), "token"]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - began) * 1e3)
    found = {"median": round(statistics.median(times), 1), "worst": round(max(times), 1)}
    print(f"cli-proj token, stored: {found['median']:.0f} ms (median), {found['worst']:.0f} ms (worst)", flush=True)
    return found
