"""The relay's bookmarks, so that it knows a stream that has lost something."""

from alembic import op

from lib_one.sql import create_outbox

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make what the outbox did not have before."""
    create_outbox(op)
