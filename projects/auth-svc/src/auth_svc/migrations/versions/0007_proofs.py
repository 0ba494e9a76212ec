"""Used DPoP proofs."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "used_proofs",
        sa.Column("proof_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("proof_hash", name="pk_used_proofs"),
    )
    op.create_index("ix_used_proofs_expires_at", "used_proofs", ["expires_at"])
