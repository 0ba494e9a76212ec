"""The table of device codes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.engine import Row

from auth_svc.db import Connection, Instant, metadata
from auth_svc.device_flow.flow import Approval, Device
from auth_svc.secret_key import token_hash
from auth_svc.token import INTERVAL

device_codes = Table(
    "device_codes",
    metadata,
    Column("device_id", String(36), primary_key=True),
    Column("device_code_hash", LargeBinary(32), nullable=False, unique=True),
    Column("user_code_hash", LargeBinary(32), nullable=False, unique=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("status", String(8), nullable=False),
    Column("interval_seconds", Integer, nullable=False),
    Column("polled_at", Instant, nullable=True),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("decided_at", Instant, nullable=True),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=True),
    Column("session_id", String(36), nullable=True),
    Column("grant_id", String(36), nullable=True),
    Column("auth_time", Instant, nullable=True),
    Column("amr", Text, nullable=True),
    Column("granted_scope", Text, nullable=True),
    Column("used_at", Instant, nullable=True),
)

KEPT = timedelta(days=1)
"""How long a device code is remembered after its end, so that a late poll hears why."""

_BY_DEVICE_CODE = select(device_codes).where(device_codes.c.device_code_hash == bindparam("hash"))
_BY_USER_CODE = select(device_codes).where(device_codes.c.user_code_hash == bindparam("hash"))
_BY_ID = select(device_codes).where(device_codes.c.device_id == bindparam("device_id"))
_CONSUME = (
    update(device_codes)
    .where(
        device_codes.c.device_code_hash == bindparam("hash"),
        device_codes.c.status == "approved",
        device_codes.c.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
)


def keep(connection: Connection, device: Device, *, device_code: str, user_code_hash: bytes) -> None:
    """Keep a new device; of its codes only the hashes."""
    connection.execute(
        device_codes.insert().values(
            device_id=device.device_id,
            device_code_hash=token_hash(device_code),
            user_code_hash=user_code_hash,
            client_id=device.client_id,
            scope=" ".join(device.scope),
            resource=" ".join(device.resource),
            status=device.status,
            interval_seconds=int(INTERVAL.total_seconds()),
            expires_at=device.expires_at,
        )
    )


def find(connection: Connection, device_id: str) -> Device | None:
    """Find a device by its id."""
    return _device(connection.execute(_BY_ID, {"device_id": device_id}).first())


def find_by_device_code(connection: Connection, device_code: str) -> Device | None:
    """Find a device by the secret that it polls with."""
    return _device(connection.execute(_BY_DEVICE_CODE, {"hash": token_hash(device_code)}).first())


def find_by_user_code(connection: Connection, user_code_hash: bytes) -> Device | None:
    """Find a device by the code that it shows."""
    return _device(connection.execute(_BY_USER_CODE, {"hash": user_code_hash}).first())


def approve(connection: Connection, device_id: str, approval: Approval, *, now: datetime) -> bool:
    """The person said yes. False if it was decided already or has expired."""
    return _decide(
        connection,
        device_id,
        now,
        status="approved",
        user_id=approval.user_id,
        session_id=approval.session_id,
        grant_id=approval.grant_id,
        auth_time=approval.auth_time,
        amr=" ".join(approval.amr),
        granted_scope=" ".join(approval.scope),
    )


def deny(connection: Connection, device_id: str, *, now: datetime) -> bool:
    """The person said no. False if it was decided already or has expired."""
    return _decide(connection, device_id, now, status="denied")


def polled(connection: Connection, device_id: str, *, interval: timedelta, now: datetime) -> None:
    """Remember a poll, and how long to wait before the next."""
    connection.execute(
        update(device_codes)
        .where(device_codes.c.device_id == device_id)
        .values(polled_at=now, interval_seconds=int(interval.total_seconds()))
    )


def consume(connection: Connection, device_code: str, *, now: datetime) -> bool:
    """Use an approved device code up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    return connection.execute(_CONSUME, {"hash": token_hash(device_code), "now": now}).rowcount == 1


def withdraw(connection: Connection, *, user_id: str, client_id: str, since: datetime, now: datetime) -> list[str]:
    """Use up the approvals of this person that this client has not fetched yet.

    Returns the ids of their grants, and of those that were fetched after `since`.
    """
    theirs = and_(device_codes.c.user_id == user_id, device_codes.c.client_id == client_id)
    waiting = device_codes.c.used_at.is_(None)
    held = connection.execute(
        select(device_codes.c.grant_id).where(theirs, or_(waiting, device_codes.c.used_at > since))
    )
    found = list(held.scalars())
    connection.execute(update(device_codes).where(theirs, waiting).values(used_at=now))
    return found


def forget_expired(connection: Connection, now: datetime) -> None:
    """Delete device codes that no longer matter."""
    connection.execute(delete(device_codes).where(device_codes.c.expires_at < now - KEPT))


def _decide(connection: Connection, device_id: str, now: datetime, **values: object) -> bool:
    statement = update(device_codes).where(
        device_codes.c.device_id == device_id,
        device_codes.c.status == "pending",
        device_codes.c.expires_at > now,
    )
    return connection.execute(statement.values(decided_at=now, **values)).rowcount == 1


def _device(row: Row[Any] | None) -> Device | None:
    if row is None:
        return None
    approval = None
    if row.grant_id is not None:
        approval = Approval(
            user_id=row.user_id,
            session_id=row.session_id,
            grant_id=row.grant_id,
            auth_time=row.auth_time,
            amr=tuple(row.amr.split()),
            scope=tuple(row.granted_scope.split()),
        )
    return Device(
        device_id=row.device_id,
        client_id=row.client_id,
        scope=tuple(row.scope.split()),
        resource=tuple(row.resource.split()),
        status=row.status,
        approval=approval,
        interval=timedelta(seconds=row.interval_seconds),
        polled_at=row.polled_at,
        decided_at=row.decided_at,
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )
