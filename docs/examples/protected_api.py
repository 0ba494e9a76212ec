"""An API of your own behind the guard: tokens are checked here, revocations arrive as events."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI

from lib_one import http
from lib_one.nats import NatsConnection
from lib_two.fastapi import install, require
from lib_two.guard import Guard, Principal
from lib_two.revocation import RevocationView


def create_app(*, issuer: str, resource: str, nats_url: str, client_id: str, client_secret: str) -> FastAPI:
    """`resource` is this API's own address: only tokens that were issued for it are let in."""
    view = RevocationView()
    connection = NatsConnection(nats_url, name="reports")
    client = http.client(timeout=3.0)
    guard = Guard(
        issuer=issuer,
        audience=resource,
        view=view,
        http=client,
        client_id=client_id,  # as whom to ask when the view cannot know
        client_secret=client_secret,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        await connection.start()  # returns at once, and connects for as long as it takes
        following = asyncio.create_task(view.run(connection))
        yield
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await connection.close()
        await client.aclose()

    app = FastAPI(title="Reports", lifespan=lifespan)
    install(app, guard, resource=resource, issuer=issuer, scopes=("shipments:read",))

    @app.get("/reports")
    async def reports(principal: Annotated[Principal, Depends(require("shipments:read"))]) -> dict[str, str]:
        return {"asked_by": principal.subject}

    return app
