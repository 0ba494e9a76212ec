"""The journey of one shipment as a line from origin to destination."""

from datetime import datetime

from textual.content import Content
from textual.widgets import Static

from gui_proj.shipments import Entry, Shipment, promise, step, who
from gui_proj.widgets.colours import KIND, MUTED, TONE
from gui_proj.widgets.row import fit

_RAIL = 20  # column of the line on which the entries stand
_WORDS = _RAIL + 3
_PLACE = _WORDS + 12


class Journey(Static):
    """Entries, oldest first, and what is still to come. New entries are lit."""

    DEFAULT_CSS = "Journey { height: auto; padding: 0 1; }"

    def show(self, shipment: Shipment, entries: list[Entry], *, fresh: frozenset[str], now: datetime) -> None:
        """Draw it. `fresh` are the event ids that came while one was looking."""
        width = max(30, self.content_size.width or self.app.size.width - 6)
        airy = self.parent is not None and 3 * len(entries) + 2 <= self.screen.size.height - 8
        self.update(journey(shipment, entries, fresh=fresh, now=now, width=width, airy=airy))


def journey(
    shipment: Shipment, entries: list[Entry], *, fresh: frozenset[str], now: datetime, width: int, airy: bool = False
) -> Content:
    """Two lines an entry (`airy`: three): what, when and where; by whom. Then what is still to come."""
    lines: list[Content] = []
    day = None
    for index, entry in enumerate(entries):
        when = entry.occurred_at.astimezone()
        colour = KIND.get(entry.kind, "$foreground")
        date = f"{when:%d %b %Y}" if when.date() != day else ""
        day = when.date()
        lit = " on $primary 30%" if entry.event_id in fresh else ""
        last = index == len(entries) - 1
        lines.append(
            Content.assemble(
                (f"{date:<13}", MUTED),
                (f"{when:%H:%M}  ", "$foreground"),
                ("◉ " if last else "● ", colour),
                (f" {step(entry):<12}", f"bold {colour}{lit}"),
                (fit(str(entry.place), max(0, width - _PLACE - 1)).rstrip() + " ", f"$foreground{lit}"),
            )
        )
        about = "  ·  ".join(part for part in (f"by {who(entry.by)}" if entry.by else "", entry.note or "") if part)
        rail = " " if last and shipment.status == "delivered" else "┆" if last else "│"
        lines.append(
            Content.assemble(
                (" " * _RAIL + rail, "$foreground 35%"),
                ("  " + fit(about, max(0, width - _WORDS)).rstrip(), MUTED),
            )
        )
        if airy and rail != " ":
            lines.append(Content.assemble((" " * _RAIL + rail, "$foreground 35%")))
    if shipment.status != "delivered":
        lines.append(
            Content.assemble(
                (" " * _RAIL + "○ ", MUTED),
                (f" {'Expected':<12}", MUTED),
                (str(shipment.destination), "$foreground"),
            )
        )
        if shipment.promised_at:
            word, tone = promise(shipment, now)
            due = f"promised for {shipment.promised_at.astimezone():%d %b %Y %H:%M}"
            lines.append(Content.assemble(" " * _WORDS, (f"{due}  ·  ", MUTED), (word, f"bold {TONE[tone]}")))
    return Content("\n").join(lines)
