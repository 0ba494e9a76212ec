"""The queries behind the list and the summary."""

import unicodedata
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, tuple_

from app_svc.db import Connection, folded
from app_svc.shipments.listing import Summary, Wanted
from app_svc.shipments.shipment import Shipment
from app_svc.shipments.store import SHIPMENT, STATE, shipment_of
from lib_one.sql import UtcDateTime

_S = SHIPMENT.c


def page(connection: Connection, wanted: Wanted, *, now: datetime) -> tuple[list[Shipment], int, bool]:
    """One page of shipments, newest first; how many match in all; and whether there are more behind this page."""
    conditions = _conditions(wanted, now)
    total = connection.execute(select(func.count()).select_from(SHIPMENT).where(*conditions)).scalar_one()
    if wanted.after is not None:
        position = tuple_(literal(wanted.after.registered_at, UtcDateTime), literal(wanted.after.id))
        conditions.append(tuple_(_S.registered_at, _S.id) < position)
    statement = (
        select(*STATE).where(*conditions).order_by(_S.registered_at.desc(), _S.id.desc()).limit(wanted.limit + 1)
    )
    shipments = [shipment_of(row) for row in connection.execute(statement)]
    return shipments[: wanted.limit], total, len(shipments) > wanted.limit


def summary(connection: Connection, *, now: datetime) -> Summary:
    """All shipments in numbers."""
    by_status = dict.fromkeys(("registered", "in_transit", "delivered"), 0)
    statuses = connection.execute(select(_S.status, func.count()).group_by(_S.status))
    by_status.update((status, number) for status, number in statuses)
    countries = connection.execute(
        select(func.max(_S.country), func.count())
        .where(_S.country_folded.is_not(None))
        .group_by(_S.country_folded)
        .order_by(func.count().desc(), _S.country_folded)
    )
    late = connection.execute(select(func.count()).select_from(SHIPMENT).where(_late(now))).scalar_one()
    return Summary(
        total=sum(by_status.values()),
        by_status=by_status,
        by_country={country: number for country, number in countries},  # noqa: C416 - rows are no pairs for mypy
        late=late,
    )


def _conditions(wanted: Wanted, now: datetime) -> list[Any]:
    conditions: list[Any] = []
    if wanted.status is not None:
        conditions.append(_S.status == wanted.status)
    if wanted.country is not None:
        conditions.append(_S.country_folded == folded(wanted.country.strip()))
    if wanted.reference is not None:
        conditions.append(_S.reference == unicodedata.normalize("NFC", wanted.reference.strip()))
    if wanted.q is not None and wanted.q.strip():
        conditions.append(_S.search.contains(folded(wanted.q.strip()), autoescape=True))
    if wanted.late is not None:
        conditions.append(_late(now) if wanted.late else ~_late(now))
    return conditions


def _late(now: datetime) -> ColumnElement[bool]:
    """Never NULL, so that its negation is the rest."""
    at = literal(now, UtcDateTime)
    return and_(
        _S.promised_at.is_not(None),
        or_(
            and_(_S.delivered_at.is_not(None), _S.delivered_at > _S.promised_at),
            and_(_S.delivered_at.is_(None), _S.promised_at < at),
        ),
    )
