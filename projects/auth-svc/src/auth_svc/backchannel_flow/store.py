"""The table of backchannel authentication requests."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, Text, bindparam, select
from sqlalchemy.engine import Row

from auth_svc.approvals import Decisions, approval_of, decision_columns
from auth_svc.backchannel_flow.flow import BackchannelRequest
from auth_svc.db import Connection, metadata
from auth_svc.resources import details_from_text, details_to_text
from auth_svc.secret_key import token_hash

backchannel_requests = Table(
    "backchannel_requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("auth_req_id_hash", LargeBinary(32), nullable=False, unique=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("authorization_details", Text, nullable=False),
    Column("binding_message", Text, nullable=True),
    Column("notify_sealed", LargeBinary, nullable=True),
    *decision_columns(),
)

_BY_SECRET = select(backchannel_requests).where(backchannel_requests.c.auth_req_id_hash == bindparam("hash"))
_BY_ID = select(backchannel_requests).where(backchannel_requests.c.request_id == bindparam("request_id"))

decisions = Decisions(backchannel_requests)
withdraw = decisions.withdraw
forget_expired = decisions.forget_expired


def keep(connection: Connection, request: BackchannelRequest, *, auth_req_id: str) -> None:
    """Keep a new request; of its secret only the hash."""
    connection.execute(
        backchannel_requests.insert().values(
            request_id=request.request_id,
            auth_req_id_hash=token_hash(auth_req_id),
            client_id=request.client_id,
            user_id=request.user_id,
            scope=" ".join(request.scope),
            resource=" ".join(request.resource),
            authorization_details=details_to_text(request.details),
            binding_message=request.binding_message,
            notify_sealed=request.notify_sealed,
            status=request.status,
            interval_seconds=int(request.interval.total_seconds()),
            expires_at=request.expires_at,
        )
    )


def find(connection: Connection, request_id: str) -> BackchannelRequest | None:
    """Find a request by its id."""
    row = connection.execute(_BY_ID, {"request_id": request_id}).first()
    return None if row is None else _request(row)


def find_by_secret(connection: Connection, auth_req_id: str) -> BackchannelRequest | None:
    """Find a request by the secret that its client polls with."""
    row = connection.execute(_BY_SECRET, {"hash": token_hash(auth_req_id)}).first()
    return None if row is None else _request(row)


def waiting_for(connection: Connection, user_id: str, *, now: datetime) -> list[BackchannelRequest]:
    """What waits for this person, the oldest first."""
    statement = (
        select(backchannel_requests)
        .where(
            backchannel_requests.c.user_id == user_id,
            backchannel_requests.c.status == "pending",
            backchannel_requests.c.expires_at > now,
        )
        .order_by(backchannel_requests.c.request_id)
    )
    return [_request(row) for row in connection.execute(statement)]


def _request(row: Row[Any]) -> BackchannelRequest:
    return BackchannelRequest(
        request_id=row.request_id,
        client_id=row.client_id,
        user_id=row.user_id,
        scope=tuple(row.scope.split()),
        resource=tuple(row.resource.split()),
        details=details_from_text(row.authorization_details),
        binding_message=row.binding_message,
        status=row.status,
        approval=approval_of(row),
        interval=timedelta(seconds=row.interval_seconds),
        polled_at=row.polled_at,
        decided_at=row.decided_at,
        expires_at=row.expires_at,
        used=row.used_at is not None,
        notify_sealed=None if row.notify_sealed is None else bytes(row.notify_sealed),
    )
