"""Help for tests: an app-svc that is none, on a real port, and the program run as a process beside it."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

from cli_proj.__main__ import run
from lib_two.token_store import TokenSet

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

type Reply = tuple[int, Any]
type SignIn = Callable[..., TokenSet]
"""Keeps tokens as a login would, and returns them."""


class FakeAppService:
    """The API of app-svc as far as the command line uses it, kept in memory. It checks tokens by `accepts`.

    Use it as a context manager; it listens on a free port of 127.0.0.1.
    """

    def __init__(self, *, accepts: Callable[[str], bool] = bool) -> None:
        self.accepts = accepts
        self.shipments: dict[str, dict[str, Any]] = {}
        """By reference, in the order in which they came."""
        self.scans: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        """Method and path of each request, query included."""
        self.bodies: list[bytes] = []
        """Of each request."""
        self.failures: list[Reply | None] = []
        """What the next requests get instead of an answer: a status and a body, or None for a cut connection."""
        self.fail_after: int | None = None
        """So many requests are answered yet; then every connection is cut."""
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        """What the live feed sends: sequence, kind, data."""
        self.ready: dict[str, Any] = {"database": {"ok": True}, "bus": {"ok": True}}
        self.letters: list[dict[str, Any]] = []
        """Dead letters, newest first."""
        self.port = 0
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service._serve(self)

            def do_POST(self) -> None:
                service._serve(self)

            def do_PATCH(self) -> None:
                service._serve(self)

            def do_DELETE(self) -> None:
                service._serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that goes away is none of ours."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Be away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def add(self, reference: str, **fields: Any) -> dict[str, Any]:
        """A shipment that is there."""
        at = fields.get("registered_at") or NOW.isoformat()
        place = {"name": "Somewhere", "country": None, "latitude": None, "longitude": None}
        shipment = {
            "id": str(uuid.uuid4()),
            "reference": reference,
            "status": "delivered" if fields.get("delivered_at") else "registered",
            "late": False,
            "origin": place,
            "destination": place,
            "last_place": None,
            "promised_at": None,
            "delivered_at": None,
            "updated_at": at,
            "revision": 1,
            **fields,
            "registered_at": at,
        }
        self.shipments[reference] = shipment
        return shipment

    def entry(self, kind: str = "registered", **fields: Any) -> dict[str, Any]:
        """A line of a timeline."""
        return {
            "event_id": str(uuid.uuid4()),
            "sequence": 1,
            "kind": kind,
            "biz_step": None,
            "place": {"name": "Somewhere", "country": "Zambia"},
            "occurred_at": NOW.isoformat(),
            "recorded_at": NOW.isoformat(),
            "by": "user-1",
            "note": None,
            **fields,
        }

    # HTTP -------------------------------------------------------------------------------------------------------------

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        path, method = urlsplit(handler.path), handler.command
        with self._lock:
            self.requests.append((method, handler.path))
            self.bodies.append(body)
            failing = bool(self.failures) and path.path != "/ready"
            failure = self.failures.pop(0) if failing else None
            if self.fail_after is not None:
                failing = failing or self.fail_after == 0
                self.fail_after = max(0, self.fail_after - 1)
        if failing and failure is None:
            handler.close_connection = True
            return
        token = (handler.headers.get("authorization") or "").removeprefix("Bearer ")
        if failure is not None:
            status, answer = failure
        elif path.path == "/ready":
            ok = all(check["ok"] for check in self.ready.values())
            status = 200 if ok else 503
            answer = {"service": "app-svc", "version": "1", "status": "ready" if ok else "not_ready"}
            answer["checks"] = self.ready
        elif not self.accepts(token):
            status, answer = _problem(401, "The access token is not valid.")
        elif path.path == "/shipments/live":
            self._live(handler)
            return
        else:
            with self._lock:
                status, answer = self._answer(method, path.path, dict(parse_qsl(path.query)), body)
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(status)
        kind = "application/problem+json" if status >= 400 else "application/json"
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", ["shipments"]:
                return self._list(query)
            case "POST", ["shipments"]:
                outcome, shipment = self._register(json.loads(body), dry_run=False)
                if outcome == "conflict":
                    return _problem(409, "The reference is taken by a shipment with other content.")
                return (201 if outcome == "created" else 200), shipment
            case "POST", ["shipments", "batch"]:
                batch = json.loads(body)
                return 200, {"results": [self._result(one, dry_run=batch["dry_run"]) for one in batch["shipments"]]}
            case "GET", ["shipments", key, "timeline"] if found := self._find(key):
                return 200, {"shipment": found, "entries": found.get("entries", [self.entry()])}
            case "POST", ["shipments", key, "scans"] if found := self._find(key):
                scan = json.loads(body)
                known = scan["scan_id"] in self.scans
                self.scans[scan["scan_id"]] = scan
                found |= {"status": "in_transit", "last_place": scan["place"]}
                return (200 if known else 201), {"scan_id": scan["scan_id"], "shipment": found}
            case _, ["admin", "dead", *rest]:
                return self._dead(method, rest, query)
        return _problem(404, "There is no such shipment.")

    def _dead(self, method: str, rest: list[str], query: Mapping[str, str]) -> Reply:
        if not rest:
            found = [one for one in self.letters if one["id"] < int(query.get("before", sys.maxsize))]
            found = [one for one in found if query.get("consumer") in (None, one["consumer"])]
            page = found[: int(query["limit"])]
            return 200, {"letters": page, "before": page[-1]["id"] if len(page) < len(found) else None}
        letter = next((one for one in self.letters if one["id"] == int(rest[0])), None)
        if letter is None:
            return _problem(404, f"There is no dead letter {rest[0]}.")
        if method == "GET":
            return 200, letter
        if rest[1:] == ["replay"] and letter["message"] is None:
            return _problem(409, "It cannot be replayed: SHIPMENTS does not have its message 1 any more.")
        self.letters.remove(letter)
        return (204, b"") if method == "DELETE" else (200, letter)

    def letter(self, number: int, *, gone: bool = False) -> dict[str, Any]:
        """A dead letter that is there."""
        message = {"type": "internal.event-based-svcs.shipment.registered.v1", "aggregate": f"s{number}"}
        made = {
            "id": number,
            "given_up_at": NOW.isoformat(),
            "consumer": "app_svc__timeline",
            "reason": "no such country",
            "message": None if gone else message,
        }
        self.letters.insert(0, made)
        return made

    def _find(self, key: str) -> dict[str, Any] | None:
        return next((one for one in self.shipments.values() if key in (one["id"], one["reference"])), None)

    def _list(self, query: Mapping[str, str]) -> Reply:
        found = [
            one
            for one in reversed(self.shipments.values())
            if query.get("reference") in (None, one["reference"])
            and query.get("status") in (None, one["status"])
            and query.get("country") in (None, one["destination"].get("country"))
        ]
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 50))
        if limit > 500:
            return _problem(422, "A parameter is not valid.")
        more = str(start + limit) if start + limit < len(found) else None
        return 200, {"items": found[start : start + limit], "total": len(found), "next_cursor": more}

    def _register(self, entry: dict[str, Any], *, dry_run: bool) -> tuple[str, dict[str, Any]]:
        known = self.shipments.get(entry["reference"])
        if known is not None:
            same = all(known.get(name) == value for name, value in entry.items())
            return ("unchanged" if same else "conflict"), known
        return "created", ({} if dry_run else self.add(**entry))

    def _result(self, entry: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        if "REFUSE" in entry["origin"]["name"]:
            return {"reference": entry["reference"], "outcome": "invalid", "detail": "origin.name: refused"}
        outcome, _ = self._register(entry, dry_run=dry_run)
        detail = "The reference is taken by a shipment with another origin." if outcome == "conflict" else None
        return {"reference": entry["reference"], "outcome": outcome, "detail": detail}

    def _live(self, handler: BaseHTTPRequestHandler) -> None:
        after = int(handler.headers.get("last-event-id") or 0)
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.end_headers()
        for sequence, kind, data in self.events:
            if sequence > after:
                handler.wfile.write(f"id: {sequence}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode())
        handler.wfile.flush()
        handler.rfile.read(1)  # stays open until the client goes


def _problem(status: int, detail: str) -> Reply:
    return status, {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}


class Program:
    """cli-proj, with settings and a state folder of its own."""

    def __init__(self, *, state_dir: Path, issuer: str, app_url: str) -> None:
        kept = ("PATH", "HOME", "LANG", "SYSTEMROOT")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "CLI_STATE_DIR": str(state_dir),
            "CLI_ISSUER": issuer,
            "CLI_APP_URL": app_url,
            "CLI_KEYRING": "false",
            "PYTHONWARNINGS": "error",
        }

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command line in this process: quick, and the same in all but what a process is."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {**self.environment, **environment}, clear=True),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            code = run(arguments)
        return subprocess.CompletedProcess(list(arguments), code, stdout.getvalue(), stderr.getvalue())

    def process(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run it as a process, to its end."""
        with self.start(*arguments, **environment) as process:
            stdout, stderr = process.communicate(stdin, timeout=60)
            return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start it as a process and return at once. Use the result as a context manager."""
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "cli_proj", *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
