"""Streams of shared signals, what waits in them, and signals of others that were received."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "signal_streams",
        sa.Column("stream_id", sa.String(36), nullable=False),
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=True),
        sa.Column("events_requested", sa.Text, nullable=True),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("endpoint_url", sa.Text, nullable=True),
        sa.Column("authorization_sealed", sa.LargeBinary, nullable=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("by_operator", sa.Boolean, nullable=False),
        sa.Column("verified_at", UtcDateTime, nullable=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", UtcDateTime, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="pk_signal_streams"),
        sa.UniqueConstraint("client_id", name="uq_signal_streams_client_id"),
    )
    op.create_table(
        "signal_exceptions",
        sa.Column("stream_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "user_id", name="pk_signal_exceptions"),
    )
    op.create_table(
        "signals",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=True),
        sa.Column("signal_id", sa.String(36), nullable=False),
        sa.Column("stream_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("claims", sa.Text, nullable=False),
        sa.Column("recorded_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_signals"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_signals_stream_id", "signals", ["stream_id"])
    op.create_table(
        "received_signals",
        sa.Column("signal_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("signal_hash", name="pk_received_signals"),
    )
    op.create_index("ix_received_signals_expires_at", "received_signals", ["expires_at"])
