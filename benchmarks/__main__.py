"""`uv run python -m benchmarks`: start the system on one core, load it from another, print what it costs.

Server CPU time for one request stands beside its ratio to the yardstick, because the machine's other tenants change
the seconds and hardly the ratio. Results are kept as JSON in `benchmarks/results/`.
"""

import argparse
import asyncio
import json
import logging
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from benchmarks.footprint import footprint
from benchmarks.outbox import outbox_drain
from benchmarks.paths import grant_rows, path_rows, purge_rows
from benchmarks.revocation import kick_latency, refusal_latency
from benchmarks.running import running_system
from benchmarks.view import view_costs

RESULTS = Path(__file__).parent / "results"
PARTS = ("footprint", "outbox", "paths", "purge", "grants", "revocation")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="load on each path (default %(default)s)")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="these parts alone")
    parser.add_argument("--rows", default="", metavar="TEXT", help="of the paths, those with this in their name")
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("The harness reads /proc and pins processes to cores: it runs on Linux.")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    result: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
        ).stdout.strip(),
    }
    if "footprint" in options.only:
        result["footprint"] = footprint()
    if "outbox" in options.only:
        result["outbox"] = [outbox_drain(engine) for engine in ("sqlite", "postgresql")]
    with running_system() as bench:
        for part, rows in (("paths", path_rows), ("purge", purge_rows), ("grants", grant_rows)):
            if part in options.only:
                chosen = [row for row in rows(bench) if options.rows in row.name]
                result[part] = [bench.measure(row, options.seconds) for row in chosen]
        if "revocation" in options.only:
            result["revocation"] = [asyncio.run(refusal_latency(bench, guards)) for guards in (1, 10, 50)]
            result["kick"] = asyncio.run(kick_latency(bench))
            result["view"] = asyncio.run(view_costs())
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / f"{result['at'].replace(':', '')}.json"
    kept.write_text(json.dumps(result, indent=2))
    print(f"kept in {kept}")


if __name__ == "__main__":
    main()
