"""`uv run python -m benchmarks`: start the system on one core, load it from another, print what it costs.

Server CPU microseconds per request stand beside requests a second, because the machine's other tenants change the
second and hardly the first. Results are kept as JSON in `benchmarks/results/`.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.footprint import footprint
from benchmarks.load import Request
from benchmarks.revocation import refusal_latency
from benchmarks.running import Bench, basic, running_system

RESULTS = Path(__file__).parent / "results"


def http_paths(bench: Bench, seconds: float) -> list[dict[str, Any]]:
    """The hot paths of both services."""
    fresh = bench.tokens(20_000)
    token = fresh.pop()
    shipment = asyncio.run(bench.shipment(token))
    secret = (bench.system.data / "secrets" / "app-svc").read_text().strip()
    look = f"/shipments/{shipment}"
    guarded = [Request("GET", look, f"Bearer {token}")]
    unseen = [Request("GET", look, f"Bearer {other}") for other in fresh]
    rows = [
        ("POST /token, client credentials, JWT, durable", "auth-svc", [bench.token_request()], True),
        (
            "POST /introspect",
            "auth-svc",
            [Request("POST", "/introspect", basic("app-svc", secret), f"token={token}")],
            True,
        ),
        ("GET /jwks", "auth-svc", [Request("GET", "/jwks")], True),
        (
            "GET /.well-known/openid-configuration",
            "auth-svc",
            [Request("GET", "/.well-known/openid-configuration")],
            True,
        ),
        ("GET /shipments/{id}, token seen before", "app-svc", guarded, True),
        ("GET /shipments/{id}, token never seen", "app-svc", unseen, False),
    ]
    return [bench.measure(name, server, requests, seconds, warm=warm) for name, server, requests, warm in rows]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="load on each path (default %(default)s)")
    parser.add_argument("--only", choices=("paths", "revocation", "footprint"), help="one part alone")
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("The harness reads /proc and pins processes to cores: it runs on Linux.")
    result: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
        ).stdout.strip(),
    }
    if options.only in (None, "footprint"):
        result["footprint"] = footprint()
    with running_system() as bench:
        if options.only in (None, "paths"):
            result["paths"] = http_paths(bench, options.seconds)
        if options.only in (None, "revocation"):
            result["revocation"] = [asyncio.run(refusal_latency(bench, guards)) for guards in (1, 10)]
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / f"{result['at'].replace(':', '')}.json"
    kept.write_text(json.dumps(result, indent=2))
    print(f"kept in {kept}")


if __name__ == "__main__":
    main()
