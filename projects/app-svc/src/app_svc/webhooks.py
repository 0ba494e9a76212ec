"""/admin/webhooks…: an operator's webhooks for what happens to shipments. The machinery is `lib_one.webhooks`."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from app_svc.bus import SERVICE
from app_svc.errors import Fault, InvalidRequest, NotFound
from app_svc.settings import Settings
from app_svc.web import body, documented, json_response
from lib_one.contracts import shipping
from lib_one.event import Now
from lib_one.http import AsyncClient
from lib_one.observe import get_logger
from lib_one.secret_key import load
from lib_one.sql import Database, Outbox, sweep_all
from lib_one.webhooks import (
    BODIES,
    DeliveryPage,
    DeliveryState,
    Desk,
    Redelivered,
    RedeliveryWanted,
    SecretWanted,
    Tested,
    UnknownWebhookError,
    Webhook,
    WebhookChange,
    WebhookError,
    WebhookRoom,
    Webhooks,
    WebhookWanted,
    WebhookWithSecret,
    facts_of,
    forget_expired,
)
from lib_two.fastapi import require
from lib_two.guard import Principal

__all__ = ["BODIES", "reload_for_ever", "router", "sweep_for_ever", "webhooks"]

RELOAD_EVERY: Final = 2.0
"""Seconds after which a webhook that another process made or changed is known."""
SWEEP_EVERY: Final = 300.0
"""Seconds between two rounds of forgetting."""

log = get_logger(__name__)

Operator = Annotated[Principal, Depends(require("shipments:admin"))]
Id = Annotated[str, Query(max_length=36, alias="id")]


def webhooks(settings: Settings, database: Database, outbox: Outbox, web: AsyncClient, *, now: Now) -> WebhookRoom:
    """The webhooks of this process. `web` is a guarded client.

    Raises:
        SecretKeyError: the file of the master secret is missing or unreadable.
    """
    return WebhookRoom(
        database,
        outbox,
        load(settings.secret_key_file, service=SERVICE, create=settings.loopback),
        web,
        service=SERVICE,
        facts=facts_of(shipping),
        loopback=settings.loopback,
        now=now,
    )


async def reload_for_ever(room: WebhookRoom) -> None:
    """Take note of what other processes change."""
    while True:
        await room.reload()
        await asyncio.sleep(RELOAD_EVERY)


async def sweep_for_ever(database: Database, *, now: Now) -> None:
    """Forget deliveries that are too old."""
    while True:
        await sweep_all(database, partial(forget_expired, now=now()))
        await asyncio.sleep(SWEEP_EVERY)


def router(desk: Desk) -> APIRouter:
    """The routes. The same addresses and bodies as at auth-svc."""
    routes = APIRouter(prefix="/admin/webhooks", tags=["admin"])
    wanted = msgspec.json.Decoder(WebhookWanted)
    change = msgspec.json.Decoder(WebhookChange)
    secret = msgspec.json.Decoder(SecretWanted)
    redelivery = msgspec.json.Decoder(RedeliveryWanted)

    @routes.post("", **documented(WebhookWanted, {201: WebhookWithSecret}))
    async def create_webhook(request: Request, operator: Operator) -> Response:
        """Make a webhook. Its secret is shown this once."""
        made = await _told(desk.create(await body(request, wanted)))
        log.info("a webhook is made", id=made.id, by=operator.subject)
        return json_response(made, 201, {"Cache-Control": "no-store"})

    @routes.get("", **documented(responses={200: Webhooks}))
    async def show_webhooks(
        _operator: Operator, id_: Annotated[str | None, Query(max_length=36, alias="id")] = None
    ) -> Response:
        """All webhooks; with an id that one alone, a `Webhook`."""
        return json_response(await _told(desk.everything() if id_ is None else desk.find(id_)))

    @routes.patch("", **documented(WebhookChange, {200: Webhook}))
    async def change_webhook(request: Request, operator: Operator, id_: Id) -> Response:
        """Change what is named, enable or disable."""
        changed = await _told(desk.change(id_, await body(request, change)))
        log.info("a webhook is changed", id=id_, state=changed.state, by=operator.subject)
        return json_response(changed)

    @routes.delete("", status_code=204)
    async def remove_webhook(operator: Operator, id_: Id) -> Response:
        """Forget a webhook and what waits for it."""
        await _told(desk.remove(id_))
        log.info("a webhook is removed", id=id_, by=operator.subject)
        return Response(status_code=204)

    @routes.post("/secret", **documented(SecretWanted, {200: WebhookWithSecret}))
    async def rotate_secret(request: Request, operator: Operator, id_: Id) -> Response:
        """Give it another secret; the one before signs as well for some hours."""
        changed = await _told(desk.rotate(id_, await body(request, secret)))
        log.info("a webhook has another secret", id=id_, by=operator.subject)
        return json_response(changed, headers={"Cache-Control": "no-store"})

    @routes.post("/test", **documented(responses={202: Tested}))
    async def try_webhook(_operator: Operator, id_: Id) -> Response:
        """Send a message that says nothing but that messages arrive."""
        return json_response(await _told(desk.test(id_)), 202)

    @routes.get("/deliveries", **documented(responses={200: DeliveryPage}))
    async def show_log(
        _operator: Operator,
        id_: Id,
        state: DeliveryState | None = None,
        delivery_id: Annotated[str | None, Query(max_length=36)] = None,
        before: Annotated[str | None, Query(max_length=36)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> Response:
        """What was sent to it or is to be sent, with each attempt, newest first."""
        page = desk.log(id_, state=state, delivery_id=delivery_id, before=before, limit=limit)
        return json_response(await _told(page))

    @routes.post("/deliveries", **documented(RedeliveryWanted, {202: Redelivered}))
    async def redeliver(request: Request, operator: Operator, id_: Id) -> Response:
        """Send once more, under the same ids: one delivery, or all that failed since a time."""
        done = await _told(desk.redeliver(id_, await body(request, redelivery)))
        log.info("a webhook is sent deliveries again", id=id_, deliveries=done.deliveries, by=operator.subject)
        return json_response(done, 202)

    return routes


async def _told[T](question: Awaitable[T]) -> T:
    """The answer, or why there is none."""
    try:
        return await question
    except UnknownWebhookError as error:
        raise NotFound("There is no such webhook, or it has no such delivery.") from error
    except WebhookError as error:
        field, found, detail = str(error).partition(": ")
        fault = Fault(field, detail) if found else Fault("", field)
        raise InvalidRequest("The webhook cannot be so.", faults=(fault,)) from error
