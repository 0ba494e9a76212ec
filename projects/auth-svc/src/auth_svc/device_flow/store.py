"""The table of device codes."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, Text, bindparam, select
from sqlalchemy.engine import Row

from auth_svc.approvals import INTERVAL, Decisions, approval_of, decision_columns
from auth_svc.db import Connection, metadata
from auth_svc.device_flow.flow import Device
from auth_svc.resources import details_from_text, details_to_text
from auth_svc.secret_key import token_hash

device_codes = Table(
    "device_codes",
    metadata,
    Column("device_id", String(36), primary_key=True),
    Column("device_code_hash", LargeBinary(32), nullable=False, unique=True),
    Column("user_code_hash", LargeBinary(32), nullable=False, unique=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("authorization_details", Text, nullable=False),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=True),
    *decision_columns(),
)

_BY_DEVICE_CODE = select(device_codes).where(device_codes.c.device_code_hash == bindparam("hash"))
_BY_USER_CODE = select(device_codes).where(device_codes.c.user_code_hash == bindparam("hash"))
_BY_ID = select(device_codes).where(device_codes.c.device_id == bindparam("device_id"))

decisions = Decisions(device_codes)
withdraw = decisions.withdraw
forget_expired = decisions.forget_expired


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
            authorization_details=details_to_text(device.details),
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


def _device(row: Row[Any] | None) -> Device | None:
    if row is None:
        return None
    return Device(
        device_id=row.device_id,
        client_id=row.client_id,
        scope=tuple(row.scope.split()),
        resource=tuple(row.resource.split()),
        details=details_from_text(row.authorization_details),
        status=row.status,
        approval=approval_of(row),
        interval=timedelta(seconds=row.interval_seconds),
        polled_at=row.polled_at,
        decided_at=row.decided_at,
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )
