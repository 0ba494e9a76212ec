"""The yardstick: a bare uvicorn, with the loop and the parser of auth-svc, and an application that answers a constant.

A machine that others use has no speed of its own. What a request costs, divided by what it costs here at the same time,
is a figure that can be compared.
"""

import sys
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

from deploy.processes import Process
from lib_one.testing import free_port

_BODY = b'{"status":"ok"}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def constant(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The cheapest answer that there is."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


def yardstick(logs: Path) -> tuple[str, Process]:
    """Its address, and the process to start."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.yardstick", str(port)]
    return f"http://127.0.0.1:{port}", Process("yardstick", command, {}, logs / "yardstick.log")


if __name__ == "__main__":
    uvicorn.run(
        constant,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
