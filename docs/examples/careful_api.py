"""An API that wants a recent sign-in for what cannot be undone: `uv run docs/examples/careful_api.py`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import uvicorn
from fastapi import Depends, FastAPI

from lib_one import http
from lib_two.fastapi import install, require
from lib_two.guard import Guard
from lib_two.revocation import RevocationView


def create_app(*, issuer: str, resource: str, client_secret: str) -> FastAPI:
    """Without a bus, the guard asks auth-svc about each token."""
    client = http.client(timeout=30.0)
    guard = Guard(
        issuer=issuer,
        audience=resource,
        view=RevocationView(),
        http=client,
        client_id="reports",
        client_secret=client_secret,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await client.aclose()

    app = FastAPI(title="Reports", lifespan=lifespan)
    install(app, guard, resource=resource, issuer=issuer, scopes=("shipments:read", "shipments:write"))

    @app.get("/reports", dependencies=[Depends(require("shipments:read"))])
    async def reports() -> list[str]:
        return ["2026-11"]

    recent = require("shipments:write", max_age=timedelta(minutes=5))

    @app.delete("/reports/{name}", dependencies=[Depends(recent)])
    async def delete(name: str) -> dict[str, str]:
        return {"deleted": name}

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(
            issuer="http://127.0.0.1:8400",
            resource="http://127.0.0.1:8401",
            client_secret="try-the-flows-on-this-machine-only",
        ),
        port=8401,
    )
