"""When all that was issued to a client was revoked, so that what it gets next is told apart from that."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add the column."""
    op.add_column("clients", sa.Column("revoked_at", UtcDateTime, nullable=True))
