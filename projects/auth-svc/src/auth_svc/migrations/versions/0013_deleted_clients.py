"""Deleted clients are told from disabled ones."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column."""
    op.add_column("clients", sa.Column("deleted_at", UtcDateTime, nullable=True))
