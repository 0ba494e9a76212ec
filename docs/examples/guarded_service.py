"""A service of your own behind the guard: tokens are checked here, revocations arrive as events."""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI

from lib_one import http
from lib_one.nats import NatsConnection, Presence
from lib_two.fastapi import install, require
from lib_two.guard import Guard, Principal
from lib_two.revocation import RevocationView


def create_app(
    *, issuer: str, resource: str, nats_url: str, nkey_seed: str | None, client_id: str, client_secret: str
) -> FastAPI:
    """`resource` is this service's own address: only tokens that were issued for it are let in."""
    connection = NatsConnection(nats_url, name="guard", nkey_seed=nkey_seed)
    view = RevocationView()
    client = http.client(timeout=3.0)
    guard = Guard(
        issuer=issuer,
        audience=resource,
        view=view,
        http=client,
        client_id=client_id,  # as whom to ask when the view cannot know
        client_secret=client_secret,
    )
    presence = Presence(connection, name="reports", version="1.0.0", stats=lambda: {"guard": guard.status()})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await connection.start()  # returns at once, and connects for as long as it takes
        tasks = [asyncio.create_task(view.run(connection)), asyncio.create_task(presence.run())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await connection.close()
        await client.aclose()

    app = FastAPI(title="Reports", lifespan=lifespan)
    install(app, guard, resource=resource, issuer=issuer, scopes=("reports:read",))

    @app.get("/reports")
    async def reports(principal: Annotated[Principal, Depends(require("reports:read"))]) -> dict[str, str]:
        return {"asked_by": principal.subject}

    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", default="http://127.0.0.1:8400")
    parser.add_argument("--nats", default="nats://127.0.0.1:8402")
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--data", type=Path, default=Path(".data"), help="Where the keys and secrets lie.")
    options = parser.parse_args()
    uvicorn.run(
        create_app(
            issuer=options.issuer,
            resource=f"http://127.0.0.1:{options.port}",
            nats_url=options.nats,
            nkey_seed=(options.data / "nats" / "guard.nk").read_text().strip(),
            client_id="reports",
            client_secret=(options.data / "secrets" / "reports").read_text().strip(),
        ),
        port=options.port,
        log_level="warning",
    )
