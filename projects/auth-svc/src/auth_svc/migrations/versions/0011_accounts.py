"""What self-registration keeps."""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
