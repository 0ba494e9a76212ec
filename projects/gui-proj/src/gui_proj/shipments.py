"""Shipments as the API tells them, and the words that the screens use for them. Pure: no network, no Textual."""

import re
from datetime import datetime, timedelta
from typing import Literal

import msgspec

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Tone = Literal["plain", "muted", "warning", "bad"]

STATUS_WORDS = {"registered": "Registered", "in_transit": "In transit", "delivered": "Delivered"}
STATUS_GLYPHS = {"registered": "○", "in_transit": "◐", "delivered": "●"}


def printable(text: str) -> str:
    """`text` without control characters: what others wrote must never steer a terminal."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


class _Told(msgspec.Struct, frozen=True):
    """What a service told: its texts are made printable when they come in, so that no screen has to think of it."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str) and not value.isprintable():
                msgspec.structs.force_setattr(self, name, printable(value))


class Place(_Told, frozen=True):
    """A named place; `country` is whatever the source wrote, a code or a name."""

    name: str
    country: str | None = None

    def __str__(self) -> str:
        if not self.country or self.country.casefold() == self.name.casefold():
            return self.name
        return f"{self.name}, {self.country}"


class Shipment(_Told, frozen=True):
    """One shipment as it is now. `revision` grows with every change; times are aware."""

    id: str
    reference: str
    status: str
    origin: Place
    destination: Place
    registered_at: datetime
    revision: int
    last_place: Place | None = None
    promised_at: datetime | None = None
    delivered_at: datetime | None = None
    updated_at: datetime | None = None

    def late(self, now: datetime) -> bool:
        """After its promise, and either still under way or delivered after it."""
        return self.promised_at is not None and (self.delivered_at or now) > self.promised_at


class Entry(_Told, frozen=True):
    """One thing that happened to a shipment. `by` is the subject who recorded it."""

    event_id: str
    sequence: int
    kind: str
    place: Place
    occurred_at: datetime
    biz_step: str | None = None
    recorded_at: datetime | None = None
    by: str | None = None
    note: str | None = None


class Change(msgspec.Struct, frozen=True):
    """One message of the live feed: the shipment as it became, and what happened."""

    shipment: Shipment
    entry: Entry


class Page(msgspec.Struct, frozen=True):
    """A page of the list, in the API's order (newest first). `total` counts everything that matches."""

    items: list[Shipment]
    total: int
    next_cursor: str | None = None


class Timeline(msgspec.Struct, frozen=True):
    """A shipment and everything that happened to it, oldest first."""

    shipment: Shipment
    entries: list[Entry]


class Summary(msgspec.Struct, frozen=True):
    """How many shipments there are, by status; `late` overlaps the others."""

    total: int
    by_status: dict[str, int]
    late: int


class Query(msgspec.Struct, frozen=True):
    """What the list is narrowed to: a status, late ones only, or words of the search box."""

    status: str | None = None
    late: bool = False
    text: str = ""

    def matches(self, shipment: Shipment, now: datetime) -> bool:
        """Whether `shipment` belongs in the list, as well as this side can tell."""
        if self.status is not None and shipment.status != self.status:
            return False
        if self.late and not shipment.late(now):
            return False
        if not self.text:
            return True
        where = (shipment.origin, shipment.destination, shipment.last_place)
        text = " ".join([shipment.reference, *(str(place) for place in where if place)])
        return self.text.casefold() in text.casefold()


def span(length: timedelta) -> str:
    """A length of time in one short word: 40 s → "now", 5m, 3h, 12d, 7mo, 2y."""
    seconds = abs(length.total_seconds())
    for limit, size, unit in (
        (60, 1, ""),
        (3600, 60, "m"),
        (48 * 3600, 3600, "h"),
        (60 * 86400, 86400, "d"),
        (730 * 86400, 30.44 * 86400, "mo"),
    ):
        if seconds < limit:
            return f"{int(seconds // size)}{unit}" if unit else "now"
    return f"{int(seconds // (365.25 * 86400))}y"


def promise(shipment: Shipment, now: datetime) -> tuple[str, Tone]:
    """How the shipment stands against its promise, in a few words, and how loudly to say it."""
    if shipment.promised_at is None:
        return ("—", "muted")
    away = shipment.promised_at - (shipment.delivered_at or now)
    word = span(away)
    if shipment.delivered_at is not None:
        if away < timedelta(0):
            return (f"{word} late" if word != "now" else "late", "warning")
        return ("on time", "muted")
    if away < timedelta(0):
        return (f"{word} late" if word != "now" else "late", "bad")
    return (f"in {word}" if word != "now" else "due now", "plain")


def who(subject: str) -> str:
    """Who recorded it: a client by its id; a person, of whom the API tells no name, by the end of theirs."""
    return f"person …{subject[-6:]}" if _UUID.fullmatch(subject) else subject


def step(entry: Entry) -> str:
    """What happened, as one word for a line: "Registered", "Departing", "Delivered"."""
    return (entry.biz_step if entry.kind == "scanned" and entry.biz_step else entry.kind).replace("_", " ").capitalize()
