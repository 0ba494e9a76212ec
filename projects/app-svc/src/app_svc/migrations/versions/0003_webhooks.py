"""Webhooks: endpoints, deliveries, attempts."""

from alembic import op

from lib_one.webhooks import create_webhooks

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    create_webhooks(op)
