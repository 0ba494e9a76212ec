"""The version of what webhooks want, which each transaction compares."""

from alembic import op

from lib_one.sql import create_outbox

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make what the outbox did not have before."""
    create_outbox(op)
