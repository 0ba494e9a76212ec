"""Assertions that were used."""

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
