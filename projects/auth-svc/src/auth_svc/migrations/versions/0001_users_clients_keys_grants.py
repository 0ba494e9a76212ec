"""Users, clients, signing keys, grants with refresh tokens, revocations, and the outbox."""

import sqlalchemy as sa
from alembic import op

from lib_one.sql import UtcDateTime, create_outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    create_outbox(op)
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.Column("disabled_at", UtcDateTime, nullable=True),
        sa.Column("sign_in_again_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("user_id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("disabled_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("client_id", name="pk_clients"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("key_id", sa.String(43), nullable=False),
        sa.Column("algorithm", sa.String(16), nullable=False),
        sa.Column("private_key_sealed", sa.LargeBinary, nullable=False),
        sa.Column("public_jwk", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("active_at", UtcDateTime, nullable=False),
        sa.Column("distrusted_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_signing_keys"),
    )
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("client_id", sa.String(128), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("auth_time", UtcDateTime, nullable=False),
        sa.Column("amr", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("grant_id", name="pk_grants"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_grants_user_id_users"),
        sa.ForeignKeyConstraint(["client_id"], ["clients.client_id"], name="fk_grants_client_id_clients"),
    )
    for column in ("user_id", "client_id", "session_id", "expires_at"):
        op.create_index(f"ix_grants_{column}", "grants", [column])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("grant_id", sa.String(36), nullable=False),
        sa.Column("renewed_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["grants.grant_id"], name="fk_refresh_tokens_grant_id_grants", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_refresh_tokens_grant_id", "refresh_tokens", ["grant_id"])
    op.create_table(
        "revocations",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("identifier", sa.String(128), nullable=False),
        sa.Column("not_before", UtcDateTime, nullable=True),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("kind", "identifier", name="pk_revocations"),
    )
    op.create_index("ix_revocations_expires_at", "revocations", ["expires_at"])
    op.create_table(
        "applied_seed",
        sa.Column("seed_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("applied_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("seed_hash", name="pk_applied_seed"),
    )
