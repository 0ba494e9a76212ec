"""A receiver of webhooks that believes nothing before it has checked: `uv run docs/examples/webhook_receiver.py`.

It needs the secret that `cli-proj admin webhooks add` showed, in WEBHOOK_SECRET; while the secret is changed, the old
and the new one with a space between.
"""

import json
import os
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI, Request, Response

from lib_one.event import utc_now
from lib_one.webhook_signature import WebhookSignatureError, verify


def receiver(secrets: Sequence[str]) -> FastAPI:
    """The application. `app.state.taken` has what arrived, by the id of the event."""
    app = FastAPI()
    app.state.taken = {}

    @app.post("/hooks")
    async def take(request: Request) -> Response:
        body = await request.body()
        try:
            message_id = verify(body, request.headers, secrets=secrets, now=utc_now())
        except WebhookSignatureError:
            return Response(status_code=401)
        if message_id not in app.state.taken:  # it may come twice, and takes effect once
            app.state.taken[message_id] = json.loads(body)
            print(app.state.taken[message_id]["type"], flush=True)
        return Response(status_code=204)

    return app


if __name__ == "__main__":
    uvicorn.run(receiver(os.environ["WEBHOOK_SECRET"].split()), port=8500)
