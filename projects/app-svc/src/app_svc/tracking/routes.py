"""The HTTP side of tracking: the timeline of one shipment, and the live feed."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app_svc.db import Connection
from app_svc.errors import MalformedRequest, Overloaded
from app_svc.tracking import store
from app_svc.tracking.announcer import subjects
from app_svc.tracking.entry import Entry
from app_svc.tracking.feed import LiveFeed, Shipments
from app_svc.tracking.stream import follow
from app_svc.web import EventStream, documented, json_response
from lib_one.sql import Database
from lib_two.fastapi import require, shown_token
from lib_two.guard import Guard, Principal

Reader = Annotated[Principal, Depends(require("shipments:read"))]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A shipment and what happened to it, in order."""

    shipment: Any
    entries: list[Entry]


BODIES = (Timeline,)
"""What is answered here, for OpenAPI."""


def router(database: Database, feed: LiveFeed, shipments: Shipments, *, most_streams: int, bus: str) -> APIRouter:
    """The routes, over these parts. `bus` is where clients find the feed too, as the setting `live_bus` has it."""
    routes = APIRouter(prefix="/shipments", tags=["tracking"])

    def find(key: str) -> str:
        return str(database.lookup(lambda connection: shipments.one(connection, key)).id)

    @routes.get("/live", responses={200: {"content": {"text/event-stream": {}}}})
    async def live(
        request: Request,
        _principal: Reader,
        shipment_id: Annotated[str | None, Query(max_length=200)] = None,
        until: Annotated[int | None, Query(ge=0)] = None,
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> Response:
        """What happens, as server-sent events: `registered`, `scanned`, `delivered`.

        Each has `{"shipment": …, "entry": …}` as data. To resume, send the last `id` as `Last-Event-ID`.
        With `until`, the stream ends when it is past that place.

        Where the bus takes clients, `Live-Bus` has its addresses and `Live-Subjects` what to subscribe to there.
        """
        seen = _sequence(last_event_id)
        only = None if shipment_id is None else find(shipment_id)
        if feed.stopping or feed.open >= most_streams:
            raise Overloaded("There are too many live feeds at the moment.", headers={"Retry-After": "5"})
        guard: Guard = request.app.state.guard
        token = shown_token(request).token
        chunks = follow(
            feed,
            position=feed.start(seen),
            shipment_id=only,
            until=until,
            check=lambda: guard.check_again(token),
        )
        feed.open += 1
        there = {"Live-Bus": bus, "Live-Subjects": " ".join(subjects(only))} if bus else {}
        return EventStream(chunks, closed=feed.closed, headers=there)

    @routes.get("/{key}/timeline", **documented(responses={200: Timeline}))
    async def show_timeline(key: str, _principal: Reader) -> Response:
        """A shipment and everything that happened to it, in order."""

        def read(connection: Connection) -> Timeline:
            shipment = shipments.one(connection, key)
            return Timeline(shipment=shipment, entries=store.of_shipment(connection, shipment.id))

        return json_response(await database.read(read))

    return routes


def _sequence(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) <= 18):
        raise MalformedRequest("Last-Event-ID is not one of ours. Start again without it.")
    return int(last_event_id)
