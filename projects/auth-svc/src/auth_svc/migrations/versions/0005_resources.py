"""Resource servers."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "resources",
        sa.Column("identifier", sa.String(512), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("identifier", name="pk_resources"),
    )
