"""Who is to be told of a logout."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
