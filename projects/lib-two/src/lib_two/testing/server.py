"""The HTTP side of a fake issuer: a server in a thread, on a free port, that can be stopped and started."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """One request."""

    path: str
    query: dict[str, str]
    form: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: str = ""


class Answer(msgspec.Struct, frozen=True):
    """One answer; a body that is no string is sent as JSON."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = {}


class Server:
    """Serves `respond` until stopped; can be started again on the same port. Each connection carries one request."""

    def __init__(self, respond: Callable[[Asked], Answer]) -> None:
        self._respond = respond
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Listen. The first time the port is any free one, then the same."""
        respond = self._respond

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                form = self.rfile.read(length).decode() if length else ""
                answer = respond(
                    Asked(
                        parts.path,
                        dict(parse_qsl(parts.query)),
                        dict(parse_qsl(form)),
                        {name.lower(): value for name, value in self.headers.items()},
                        form,
                    )
                )
                is_text = isinstance(answer.body, str)
                body = (answer.body if is_text else json.dumps(answer.body)).encode()
                self.send_response(answer.status)
                headers = {"Content-Type": "text/plain" if is_text else "application/json", "Cache-Control": "no-store"}
                for name, value in {**headers, **answer.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that goes away is none of ours."""

        self._server = Quiet(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening: whoever comes now is refused the connection."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None
