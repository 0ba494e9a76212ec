"""Browser sessions, consents, limits on guessing, authorization codes and device codes."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("auth_time", UtcDateTime, nullable=False),
        sa.Column("amr", sa.Text, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
        sa.UniqueConstraint("secret_hash", name="uq_sessions_secret_hash"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id_users"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "consents",
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("scope", sa.String(128), nullable=False),
        sa.Column("granted_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "client_id", "scope", name="pk_consents"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_consents_user_id_users"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_consents_client_id_clients"),
    )
    op.create_table(
        "attempt_limits",
        sa.Column("key_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("drained_until", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name="pk_attempt_limits"),
    )
    op.create_index("ix_attempt_limits_drained_until", "attempt_limits", ["drained_until"])
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("code_challenge", sa.String(43), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("session_id", sa.String(36), nullable=False),
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("auth_time", UtcDateTime, nullable=False),
        sa.Column("amr", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("nonce", sa.Text, nullable=True),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name="pk_authorization_codes"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_authorization_codes_client_id_clients"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_authorization_codes_user_id_users"),
    )
    op.create_index("ix_authorization_codes_expires_at", "authorization_codes", ["expires_at"])
    op.create_table(
        "answered_requests",
        sa.Column("request_id", sa.String(36), nullable=False),
        sa.Column("answered_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_answered_requests"),
    )
    op.create_index("ix_answered_requests_answered_at", "answered_requests", ["answered_at"])
    op.create_table(
        "device_codes",
        sa.Column("device_id", sa.String(36), nullable=False),
        sa.Column("device_code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("authorization_details", sa.Text, nullable=False),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("interval_seconds", sa.Integer, nullable=False),
        sa.Column("polled_at", UtcDateTime, nullable=True),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime, nullable=True),
        sa.Column("user_id", sa.String(36), nullable=True),
        sa.Column("session_id", sa.String(36), nullable=True),
        sa.Column("grant_id", sa.String(36), nullable=True),
        sa.Column("auth_time", UtcDateTime, nullable=True),
        sa.Column("amr", sa.Text, nullable=True),
        sa.Column("granted_scope", sa.Text, nullable=True),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("device_id", name="pk_device_codes"),
        sa.UniqueConstraint("device_code_hash", name="uq_device_codes_device_code_hash"),
        sa.UniqueConstraint("user_code_hash", name="uq_device_codes_user_code_hash"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_device_codes_client_id_clients"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_device_codes_user_id_users"),
    )
    op.create_index("ix_device_codes_expires_at", "device_codes", ["expires_at"])
