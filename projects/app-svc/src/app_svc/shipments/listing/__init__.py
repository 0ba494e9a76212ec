"""Finding shipments: what can be asked for, and the cursor through long answers. The queries are in `store`."""

import base64
import binascii
from datetime import datetime

import msgspec

from app_svc.errors import FieldError, MalformedRequest
from app_svc.shipments.shipment import Status, shipment_id_of

MOST = 500
"""Shipments on one page."""


class Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page ended: the next one begins behind this shipment, whatever has been added since.

    Opaque for clients. It is a position in the order of the list, not a number of rows, so nothing is shown twice or
    skipped while shipments come in.
    """

    registered_at: datetime
    id: str

    def encode(self) -> str:
        """As a client gets it."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """As a client sends it back.

        Raises:
            MalformedRequest: this service did not make it.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            cursor = msgspec.json.decode(raw, type=Cursor)
        except (binascii.Error, ValueError, RecursionError):
            raise MalformedRequest("The cursor is not one of ours. Start again without it.") from None
        if cursor.registered_at.tzinfo is None or shipment_id_of(cursor.id) is None:
            raise MalformedRequest("The cursor is not one of ours. Start again without it.")
        return cursor


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which shipments: every condition that is given must hold."""

    status: Status | None = None
    country: str | None = None
    """The destination's, the whole name, in any case."""
    late: bool | None = None
    q: str | None = None
    """A part of the reference, or of the name or country of either end, in any case."""
    reference: str | None = None
    limit: int = 50
    after: Cursor | None = None

    def __post_init__(self) -> None:
        for field in ("country", "q", "reference"):
            value = getattr(self, field)
            if value is not None and "\0" in value:
                raise FieldError(field, "the character U+0000 is not allowed")


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All shipments in numbers. Those without a destination country are in `total` only."""

    total: int
    by_status: dict[str, int]
    by_country: dict[str, int]
    late: int
