"""Assertions that were used, and backchannel authentication requests."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "used_grant_assertions",
        sa.Column("assertion_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("assertion_hash", name="pk_used_grant_assertions"),
    )
    op.create_index("ix_used_grant_assertions_expires_at", "used_grant_assertions", ["expires_at"])
    op.create_table(
        "backchannel_requests",
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("auth_req_id_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("authorization_details", sa.Text, nullable=False),
        sa.Column("binding_message", sa.Text, nullable=True),
        sa.Column("notify_sealed", sa.LargeBinary, nullable=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column("polled_at", UtcDateTime, nullable=True),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=True),
        sa.Column("session_id", sa.String(36), nullable=True),
        sa.Column("grant_id", sa.String(36), nullable=True),
        sa.Column("auth_time", UtcDateTime, nullable=True),
        sa.Column("amr", sa.Text, nullable=True),
        sa.Column("granted_scope", sa.Text, nullable=True),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("request_id", name="pk_backchannel_requests"),
        sa.UniqueConstraint("auth_req_id_hash", name="uq_backchannel_requests_auth_req_id_hash"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_backchannel_requests_client_id_clients"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_backchannel_requests_user_id_users"),
    )
    for column in ("user_id", "expires_at"):
        op.create_index(f"ix_backchannel_requests_{column}", "backchannel_requests", [column])
