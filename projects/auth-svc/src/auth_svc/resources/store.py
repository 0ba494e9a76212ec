"""The table of resource servers."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, String, Table, Text, delete, select

from auth_svc.db import Connection, Instant, metadata
from auth_svc.resources.catalogue import Resource

IDENTIFIER_LENGTH = 512

resources = Table(
    "resources",
    metadata,
    Column("identifier", String(IDENTIFIER_LENGTH), primary_key=True),
    Column("description", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

_decode = msgspec.json.Decoder(Resource).decode


def put(connection: Connection, resource: Resource, *, now: datetime) -> None:
    """Keep a resource, in the place of one with the same identifier."""
    remove(connection, resource.identifier)
    connection.execute(
        resources.insert().values(
            identifier=resource.identifier, description=msgspec.json.encode(resource).decode(), changed_at=now
        )
    )


def remove(connection: Connection, identifier: str) -> bool:
    """Forget a resource; False if there is none with this identifier."""
    return connection.execute(delete(resources).where(resources.c.identifier == identifier)).rowcount == 1


def everything(connection: Connection) -> tuple[Resource, ...]:
    """All that were put here, by identifier."""
    rows = connection.execute(select(resources.c.description).order_by(resources.c.identifier))
    return tuple(_decode(row.description) for row in rows)
