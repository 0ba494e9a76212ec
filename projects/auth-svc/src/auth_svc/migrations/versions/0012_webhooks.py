"""Webhooks: endpoints, deliveries, attempts."""

from alembic import op

from lib_one.webhooks import create_webhooks

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
    create_webhooks(op)
