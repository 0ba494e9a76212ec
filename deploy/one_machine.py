"""The whole system on one machine: nats-server, auth-svc, app-svc and, for a demo, a simulator, watched and restarted.

`main.py` is the way in. Nothing here is needed past one machine: there, the services run by themselves.
"""

import argparse
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.processes import Process, StartError, listening, only_instance, ready, require_free

PEOPLE = (
    ("erin", "Erin Employee", "employee", "looks shipments up"),
    ("clara", "Clara Clerk", "clerk", "registers and scans"),
    ("dan", "Dan Driver", "driver", "scans"),
    ("otto", "Otto Operator", "operator", "runs the place"),
)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(0o600)
    temporary.write_text(text)
    temporary.replace(path)


def keep_secret(path: Path) -> str:
    """The secret in this file, made on first use."""
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


class System:
    """The whole system on one machine: what runs, with which settings, and where its facts lie."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.data: Path = options.data_dir.expanduser().resolve()
        self.issuer = f"http://127.0.0.1:{options.auth_port}"
        self.app_url = f"http://127.0.0.1:{options.app_port}"
        self.nats_url = f"nats://127.0.0.1:{options.nats_port}"
        self.people: list[dict[str, Any]] = []

    def prepare(self) -> None:
        """Make the folders and the secrets, and write the seed that auth-svc reads."""
        for folder in (self.data, self.data / "logs", self.data / "secrets"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        clients = [
            {
                "client_id": "app-svc",
                "client_name": "AppService",
                "secret": keep_secret(self.data / "secrets" / "app-svc"),
                "grant_types": [],
                "scope": "",
                "redirect_uris": [],
                "resource": self.app_url,
            }
        ]
        if self.options.demo:
            clients.append(
                {
                    "client_id": "simulator",
                    "client_name": "Simulator",
                    "secret": keep_secret(self.data / "secrets" / "simulator"),
                    "grant_types": ["client_credentials"],
                    "scope": "shipments:read shipments:write shipments:scan",
                    "redirect_uris": [],
                }
            )
            self.people = [
                {
                    "username": username,
                    "name": name,
                    "email": f"{username}@example.com",
                    "roles": [role],
                    "password": keep_secret(self.data / "secrets" / f"password-{username}")[:16],
                }
                for username, name, role, _ in PEOPLE
            ]
        write_private(self.data / "seed.json", json.dumps({"users": self.people, "clients": clients}, indent=2))

    def processes(self) -> list[Process]:
        """Every part, in the order in which it is started; stopped the other way round."""
        data, options = self.data, self.options
        # The commands lie beside the interpreter; variables of another run must not reach the services.
        here = Path(sys.executable).parent
        base = {k: v for k, v in os.environ.items() if not k.startswith(("AUTH_SVC_", "APP_SVC_"))}
        auth = {
            "AUTH_SVC_ISSUER": self.issuer,
            "AUTH_SVC_PORT": str(options.auth_port),
            "AUTH_SVC_DATABASE_URL": f"sqlite:///{data / 'auth.db'}",
            "AUTH_SVC_NATS_URL": self.nats_url,
            "AUTH_SVC_NATS_NKEY_FILE": str(data / "nats" / "auth-svc.nk"),
            "AUTH_SVC_NATS_DOOR_KEYS": str(data / "nats"),
            "AUTH_SVC_NATS_DOOR_ADDRESSES": self.nats_url,
            "AUTH_SVC_SECRET_KEY_FILE": str(data / "auth-secret.key"),
            "AUTH_SVC_SEED_FILE": str(data / "seed.json"),
            "AUTH_SVC_RESOURCE": self.app_url,
        }
        app = {
            "APP_SVC_PORT": str(options.app_port),
            "APP_SVC_DATABASE_URL": f"sqlite:///{data / 'app.db'}",
            "APP_SVC_NATS_URL": self.nats_url,
            "APP_SVC_NATS_NKEY_FILE": str(data / "nats" / "app-svc.nk"),
            "APP_SVC_LIVE_BUS": self.nats_url,
            "APP_SVC_ISSUER": self.issuer,
            "APP_SVC_RESOURCE": self.app_url,
            "APP_SVC_CLIENT_ID": "app-svc",
            "APP_SVC_CLIENT_SECRET_FILE": str(data / "secrets" / "app-svc"),
            "APP_SVC_SECRET_KEY_FILE": str(data / "app-secret.key"),
        }
        simulator = {
            "APP_SVC_ISSUER": self.issuer,
            "APP_SVC_RESOURCE": self.app_url,
            "APP_SVC_SIMULATOR_CLIENT_ID": "simulator",
            "APP_SVC_SIMULATOR_CLIENT_SECRET_FILE": str(data / "secrets" / "simulator"),
        }
        nats = [sys.executable, "-m", "lib_one.nats", "--port", str(options.nats_port), "--data-dir", str(data)]
        parts: list[tuple[str, list[str], dict[str, str]]] = [
            ("nats-server", nats, {}),
            ("auth-svc", [str(here / "auth-svc"), "serve"], auth),
            ("app-svc", [str(here / "app-svc"), "serve"], app),
        ]
        if options.demo:
            parts.append(("simulator", [str(here / "app-svc"), "simulate"], simulator))
        logs = data / "logs"
        return [Process(name, command, {**base, **extra}, logs / f"{name}.log") for name, command, extra in parts]

    def facts(self, processes: list[Process]) -> dict[str, Any]:
        """What a script wants to know of a running system: `system.json`."""
        return {
            "issuer": self.issuer,
            "app_url": self.app_url,
            "nats_url": self.nats_url,
            "data_dir": str(self.data),
            "pid": os.getpid(),
            "processes": {process.name: process.pid for process in processes},
            "people": [{k: p[k] for k in ("username", "name", "roles", "password")} for p in self.people],
            "client_secret_files": {name: str(self.data / "secrets" / name) for name in ("app-svc", "simulator")}
            if self.options.demo
            else {"app-svc": str(self.data / "secrets" / "app-svc")},
        }


def run(options: argparse.Namespace) -> None:
    """Run the whole system until Ctrl-C or SIGTERM."""
    began = time.monotonic()
    system = System(options)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    system.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_instance(system.data):
        for port, option in (
            (options.auth_port, "--auth-port"),
            (options.app_port, "--app-port"),
            (options.nats_port, "--nats-port"),
        ):
            require_free(port, option)
        system.prepare()
        processes = system.processes()
        facts = system.data / "system.json"
        try:
            if not start(processes, options, stopping):
                return
            write_private(facts, json.dumps(system.facts(processes), indent=2))
            print(screen(system, time.monotonic() - began), flush=True)
            while not stopping.wait(0.5):
                if revive(processes):
                    write_private(facts, json.dumps(system.facts(processes), indent=2))
            print("\nStopping", flush=True)
        finally:
            for process in reversed(processes):
                process.stop()
            facts.unlink(missing_ok=True)


def start(processes: list[Process], options: argparse.Namespace, stopping: threading.Event) -> bool:
    """Start every part and wait until it answers; False if the reader changed their mind meanwhile."""
    tests: dict[str, Callable[[], bool]] = {
        "nats-server": lambda: listening(options.nats_port),
        "auth-svc": lambda: ready(options.auth_port),
        "app-svc": lambda: ready(options.app_port),
        "simulator": lambda: True,
    }
    print(f"Starting in {options.data_dir}", flush=True)
    # The bus first: it writes the keys that the services read. The rest starts together.
    for group in (processes[:1], processes[1:]):
        for process in group:
            process.start()
        waiting = {process.name: process for process in group}
        began = time.monotonic()
        while waiting:
            for name, process in list(waiting.items()):
                if not process.alive:
                    raise StartError(f"{name} did not start (exit code {process.exit_code}):\n{process.last_words()}")
                if tests[name]():
                    state = "started" if name == "simulator" else f"ready after {time.monotonic() - began:.1f} s"
                    print(f"  {name:<12} {state}", flush=True)
                    del waiting[name]
            if waiting and time.monotonic() - began > 60:
                name, process = next(iter(waiting.items()))
                raise StartError(f"{name} is not ready after 60 s; the end of {process.log}:\n{process.last_words()}")
            if waiting and stopping.wait(0.03):
                return False
    return True


def revive(processes: list[Process]) -> bool:
    """Start again what has died: nothing acknowledged is lost by it. True if anything had."""
    dead = [process for process in processes if not process.alive]
    for process in dead:
        if process.hopeless():
            raise StartError(f"{process.name} keeps dying (exit code {process.exit_code}):\n{process.last_words()}")
        print(f"{process.name} died (exit code {process.exit_code}): starting it again", flush=True)
        process.start()
    return bool(dead)


def screen(system: System, seconds: float) -> str:
    """What a newcomer wants to see: what runs where, who exists, and what to type next."""
    strong, faint, plain = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")
    options = system.options
    lines = [
        "",
        f"{strong}event-based-svcs is up{plain} {faint}after {seconds:.1f} s{plain}",
        "",
        f"  AuthService   {system.issuer}   {faint}signs people in, issues and revokes tokens{plain}",
        f"  AppService    {system.app_url}   {faint}shipment tracking; its API is described at /openapi.json{plain}",
        f"  NATS          {system.nats_url}   {faint}the bus between them{plain}",
        f"  Data, logs    {system.data}",
    ]
    if system.people:
        lines += ["", f"  {strong}Who      Password          Role{plain}"]
        about = {username: (role, words) for username, _, role, words in PEOPLE}
        for person in system.people:
            role, words = about[person["username"]]
            lines.append(f"  {person['username']:<8} {person['password']:<17} {role:<10}{faint}{words}{plain}")
        lines.append(f"  {faint}Made up for this machine; kept in {system.data / 'system.json'}, mode 0600.{plain}")
    else:
        lines += ["", "  Nobody can sign in yet: uv run --package auth-svc auth-svc users add --help"]
    lines += ["", f"  {strong}Next, in another terminal{plain}"]
    if (options.auth_port, options.app_port) != (8400, 8401):
        for prefix in ("CLI", "GUI"):
            lines.append(f"    export {prefix}_ISSUER={system.issuer} {prefix}_APP_URL={system.app_url}")
    lines += [
        "    uv run --package cli-proj cli-proj login",
        "    uv run --package cli-proj cli-proj shipments list",
        "    uv run --package gui-proj gui-proj",
        "",
        f"  {faint}Ctrl-C stops everything; the next start finds the same data.{plain}",
    ]
    return "\n".join(lines)


def main(options: argparse.Namespace) -> int:
    """Run it; the exit code."""
    try:
        run(options)
    except StartError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return 1
    return 0
