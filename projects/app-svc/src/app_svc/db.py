"""What the stores share: one table catalogue and the form of a text to search in."""

import unicodedata

from sqlalchemy import Connection, MetaData

__all__ = ["METADATA", "Connection", "folded"]

METADATA = MetaData()
"""Every table of app-svc; the outbox and inbox are lib_one's."""


def folded(text: str) -> str:
    """`text` as it is compared: without case, in every script. SQLite's own LOWER and LIKE know ASCII only."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
