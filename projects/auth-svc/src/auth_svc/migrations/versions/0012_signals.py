"""Streams of shared signals, and what waits in them."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
