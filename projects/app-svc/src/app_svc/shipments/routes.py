"""The HTTP side of shipments: register, batch, scan, list, summary, show."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app_svc.db import Connection
from app_svc.shipments import listing, store
from app_svc.shipments.batch import Batch, Importer, Results, check
from app_svc.shipments.listing import Cursor, Summary, Wanted
from app_svc.shipments.listing import store as listing_store
from app_svc.shipments.shipment import Import, Register, Scan, Status
from app_svc.shipments.store import ShipmentStore
from app_svc.shipments.view import Page, ScanView, ShipmentView
from app_svc.web import body, documented, json_response
from lib_one.event import Now
from lib_one.sql import Database
from lib_two.fastapi import require
from lib_two.guard import Principal

BATCH_BODY = 4 * 1024 * 1024
"""Bytes of a batch: 500 entries with every field at its longest."""

BODIES = (Register, Batch, Import, Scan, ShipmentView, Page, Summary, Results, ScanView)
"""What is sent and answered here, for OpenAPI."""

_register = msgspec.json.Decoder(Register)
_scan = msgspec.json.Decoder(Scan)
_batch = msgspec.json.Decoder(Batch)

Reader = Annotated[Principal, Depends(require("shipments:read"))]
Writer = Annotated[Principal, Depends(require("shipments:write"))]
Scanner = Annotated[Principal, Depends(require("shipments:scan"))]


class ListQuery(BaseModel):
    """The conditions of a list. An unknown one is an error: a mistyped filter must not show everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status | None = None
    country: Annotated[str | None, Field(max_length=100)] = None
    late: bool | None = None
    q: Annotated[str | None, Field(max_length=200)] = None
    reference: Annotated[str | None, Field(max_length=200)] = None
    limit: Annotated[int, Field(ge=1, le=listing.MOST)] = 50
    cursor: Annotated[str | None, Field(max_length=400)] = None


def router(database: Database, shipments: ShipmentStore, *, now: Now) -> APIRouter:
    """The routes, over these parts."""
    routes = APIRouter(prefix="/shipments", tags=["shipments"])
    importer = Importer(shipments, now=now)

    @routes.post("", status_code=201, **documented(Register, {200: ShipmentView, 201: ShipmentView}))
    async def register_shipment(request: Request, principal: Writer) -> Response:
        """Make a shipment known. Its reference again: 200 with the same content, 409 with other content."""
        command = await body(request, _register)
        shipment, new = await database.work(
            lambda connection: shipments.register(connection, command, by=principal.subject)
        )
        headers = {"Location": f"/shipments/{shipment.id}"}
        return json_response(ShipmentView.of(shipment, now=now()), 201 if new else 200, headers)

    @routes.post("/batch", **documented(Batch, {200: Results}))
    async def register_many(request: Request, principal: Writer) -> Response:
        """Register up to 500 shipments in one unit of work, with one result each."""
        batch = await body(request, _batch, limit=BATCH_BODY)
        checked = [check(entry) for entry in batch.shipments]

        def run(connection: Connection) -> Results:
            return Results(results=importer.run(connection, checked, by=principal.subject, dry_run=batch.dry_run))

        return json_response(await (database.read(run) if batch.dry_run else database.work(run)))

    @routes.get("", **documented(responses={200: Page}))
    async def list_shipments(query: Annotated[ListQuery, Query()], _principal: Reader) -> Response:
        """Shipments, newest first. Go on with `next_cursor` until it is null."""
        wanted = Wanted(
            status=query.status,
            country=query.country,
            late=query.late,
            q=query.q,
            reference=query.reference,
            limit=query.limit,
            after=None if query.cursor is None else Cursor.decode(query.cursor),
        )
        at = now()
        found, total, more = await database.read(lambda connection: listing_store.page(connection, wanted, now=at))
        return json_response(Page.of(found, total, more=more, now=at))

    @routes.get("/summary", **documented(responses={200: Summary}))
    async def summarise(_principal: Reader) -> Response:
        """All shipments in numbers."""
        at = now()
        return json_response(await database.read(lambda connection: listing_store.summary(connection, now=at)))

    @routes.get("/{key}", **documented(responses={200: ShipmentView}))
    async def show_shipment(key: str, _principal: Reader) -> Response:
        """One shipment, by id or reference."""
        shipment = database.lookup(lambda connection: store.find(connection, key))
        return json_response(ShipmentView.of(shipment, now=now()))

    @routes.post("/{key}/scans", status_code=201, **documented(Scan, {200: ScanView, 201: ScanView}))
    async def record_scan(key: str, request: Request, principal: Scanner) -> Response:
        """Record where a shipment was seen. The step `receiving` delivers it. The same scan_id again: 200."""
        command = await body(request, _scan)
        shipment, scan_id, new = await database.work(
            lambda connection: shipments.scan(connection, key, command, by=principal.subject)
        )
        view = ScanView(scan_id=scan_id, shipment=ShipmentView.of(shipment, now=now()))
        return json_response(view, 201 if new else 200)

    return routes
