"""The front door: `python3 main.py` runs the system, `python3 main.py test` tests it, `main.py check` is the gate.

This file needs nothing but Python 3.9 and its standard library. It fetches uv from PyPI where uv is missing, makes the
environment from the lock, and goes on inside it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"

# For pytest-xdist: workers take file after file, in the order of `testpaths`, so the long ones are not the last. They
# are one more than there are cores: much of what a test does is to wait for a process that starts, or for time to pass.
CORES = getattr(os, "process_cpu_count", os.cpu_count)() or 1
SIDE_BY_SIDE = (f"--numprocesses={CORES + 1}", "--dist=loadfile", "--no-loadscope-reorder")
CHECKS = (
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    # The workers would all compile all the tests, at the same time.
    ("collect", ["pytest", "--collect-only", "-qq"]),
    ("imports", ["lint-imports", "--no-cache"]),
    ("lock", ["uv", "lock", "--check"]),
    ("docs", ["mkdocs", "build", "--strict"]),  # with --quiet, --strict sees no warnings
)
"""What takes one core: they run side by side, and say something only if they fail."""
TESTS = ("tests", ["pytest", *SIDE_BY_SIDE])


class FrontDoorError(Exception):
    """Something the reader can mend; the text says how. It is printed as it is, without a traceback."""


# The environment ------------------------------------------------------------------------------------------------------


def find_uv() -> str:
    """The path of a uv that works; fetched from PyPI into `.tools/` where there is none."""
    private = TOOLS / "bin" / "uv"
    for candidate in (shutil.which("uv"), str(private)):
        # A shim of a version manager is on the PATH even where it has nothing to run: only a call shows.
        if candidate and Path(candidate).exists() and _succeeds([candidate, "--version"]):
            return candidate
    print("uv is not here yet: fetching it from PyPI into .tools/", flush=True)
    for command in ([sys.executable, "-m", "venv", str(TOOLS)], [str(TOOLS / "bin" / "pip"), "install", "-q", "uv"]):
        if subprocess.run(command, check=False).returncode != 0:
            raise FrontDoorError("uv could not be fetched. Install it yourself (pip install uv), then start again.")
    return str(private)


def _succeeds(command: list[str]) -> bool:
    try:
        return (
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
        )
    except OSError:
        return False


def enter_environment() -> None:
    """Go on inside the project's environment, made from the lock; return only if this process already is."""
    if importlib.util.find_spec("lib_one") is not None:
        return
    uv = find_uv()
    lock = (ROOT / "uv.lock").stat()
    stamp = VENV / ".made-from-lock"
    made_from = f"{lock.st_mtime_ns} {lock.st_size}"
    if not stamp.exists() or stamp.read_text() != made_from:
        print("Making the environment from uv.lock", flush=True)
        if subprocess.run([uv, "sync", "--frozen", "--project", str(ROOT)], check=False).returncode != 0:
            raise FrontDoorError("The environment could not be made; uv says why above. It needs Python 3.13 and PyPI.")
        stamp.write_text(made_from)
    environment = dict(os.environ, PATH=os.pathsep.join([str(Path(uv).parent), os.environ.get("PATH", "")]))
    environment.pop("VIRTUAL_ENV", None)
    # Some images set it; then each of the many processes here would compile all that it imports, at every start.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    python = str(VENV / "bin" / "python")
    os.execve(python, [python, str(ROOT / "main.py"), *sys.argv[1:]], environment)


# The gate -------------------------------------------------------------------------------------------------------------


def check() -> int:
    """Run every check, all of them even if one fails, and say which did."""
    with ThreadPoolExecutor(CORES) as cores:
        outcome = list(cores.map(_failure, CHECKS))
    outcome.append(_failure(TESTS, aloud=True))
    failed = [name for name in outcome if name]
    print(f"Failed: {', '.join(failed)}" if failed else "Everything holds.", flush=True)
    return 1 if failed else 0


def _failure(named: tuple[str, list[str]], *, aloud: bool = False) -> str:
    """Run a check, and return its name if it fails; what it says is shown as it comes (`aloud`), or after a failure."""
    name, command = named
    if aloud:
        print(f"── {name}: {' '.join(command)}", flush=True)
    began = time.monotonic()
    out, err = (None, None) if aloud else (subprocess.PIPE, subprocess.STDOUT)
    done = subprocess.run(command, cwd=ROOT, env=environment_of_tools(), check=False, text=True, stdout=out, stderr=err)
    good = done.returncode == 0
    if done.stdout and not good:
        print(done.stdout, flush=True)
    outcome = f"{'ok' if good else 'FAILED'} after {time.monotonic() - began:.1f} s"
    print(f"   {outcome}" if aloud else f"── {name}: {' '.join(command)}: {outcome}", flush=True)
    return "" if good else name


def environment_of_tools() -> dict[str, str]:
    """The environment's own commands come first."""
    return dict(os.environ, PATH=os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", "")]))


def arguments() -> argparse.ArgumentParser:
    """The command line of the front door."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Run the whole system on this machine: nats-server, auth-svc, app-svc, a simulator.",
        epilog="Ctrl-C stops everything. The README says what to do next.",
    )
    parser.add_argument(
        "--auth-port", type=int, default=8400, metavar="N", help="port of auth-svc (default %(default)s)"
    )
    parser.add_argument("--app-port", type=int, default=8401, metavar="N", help="port of app-svc (default %(default)s)")
    parser.add_argument("--nats-port", type=int, default=8402, metavar="N", help="port of NATS (default %(default)s)")
    parser.add_argument("--data-dir", type=Path, default=ROOT / ".data", metavar="DIR", help="databases, keys, logs")
    parser.add_argument("--no-demo", dest="demo", action="store_false", help="no made-up people, no simulator")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("test", help="run the tests on all cores; arguments are for pytest", add_help=False)
    commands.add_parser("check", help="format, lint, types, imports, lock, tests, docs: what CI runs")
    return parser


def main() -> int:
    """Parse, enter the environment, do it."""
    options, rest = arguments().parse_known_args()
    if rest and options.command != "test":
        arguments().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        enter_environment()
        if options.command == "test":
            command = ["pytest", *(rest or SIDE_BY_SIDE)]
            return subprocess.run(command, cwd=ROOT, env=environment_of_tools(), check=False).returncode
        if options.command == "check":
            return check()
        from deploy import one_machine  # only the environment's Python can read it

        return one_machine.main(options)
    except FrontDoorError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
