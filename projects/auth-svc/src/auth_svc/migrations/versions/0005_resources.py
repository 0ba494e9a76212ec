"""Resource servers, the opaque tokens that some of them want, and pairwise subjects."""

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
    op.create_table(
        "opaque_tokens",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("token_id", sa.String(36), nullable=False),
        sa.Column("claims", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_opaque_tokens"),
    )
    op.create_index("ix_opaque_tokens_expires_at", "opaque_tokens", ["expires_at"])
    op.create_table(
        "pairwise_subjects",
        sa.Column("subject", sa.String(43), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_pairwise_subjects"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_pairwise_subjects_user_id_users"),
    )
    op.create_index("ix_pairwise_subjects_user_id", "pairwise_subjects", ["user_id"])
