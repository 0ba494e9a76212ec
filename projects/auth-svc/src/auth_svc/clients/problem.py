"""What keeps a client from being registered."""

from typing import NamedTuple


class Problem(NamedTuple):
    """Something in its metadata that is malformed, does not fit together or is not given."""

    member: str
    """Which of the metadata is to be changed: strangers are told no more than that."""
    text: str
