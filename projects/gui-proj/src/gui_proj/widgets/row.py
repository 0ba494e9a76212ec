"""How a row of the board looks: which columns fit a width, and a shipment painted into them."""

from datetime import datetime
from typing import NamedTuple, Self

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from gui_proj.shipments import STATUS_GLYPHS, STATUS_WORDS, Place, Shipment, promise, span

_BOLD = Style(bold=True)
_GAP = 2
_SPACE = " " * _GAP
_STATUS = 12
_PROMISE = 10
_AGE = 4


class Columns(NamedTuple):
    """Widths in cells; 0 leaves a column out. Gaps of two stand between, two before the first, one after the last."""

    reference: int
    status: int
    origin: int
    destination: int
    last: int
    promise: int
    age: int

    @classmethod
    def fit(cls, width: int, longest_reference: int) -> Self:
        """Give the fixed columns what they need and share the rest: first the route, then where it was last seen."""
        reference = min(max(9, longest_reference), 20 if width >= 100 else 14)
        rest = width - 2 - reference - _STATUS - _PROMISE - _AGE - 4 * _GAP - 1
        last = 0
        if rest >= 60:
            last = min(34, rest * 3 // 8)
            rest -= last + _GAP
        route = max(9, rest - 3)  # " → " stands between
        origin = min(route // 2, 34)
        return cls(reference, _STATUS, origin, route - origin, last, _PROMISE, _AGE)


class Painter:
    """Paints header and rows for one width and one theme. `colours` are those of the table's component classes."""

    def __init__(self, columns: Columns, *, colours: dict[str, Color]) -> None:
        self.columns = columns
        self._colours = colours

    def header(self, ground: Color) -> Strip:
        """The names of the columns."""
        c = self.columns
        line = "  " + _cell("Shipment", c.reference) + _cell("Status", c.status)
        line += set_cell_size("From", c.origin) + "   " + _cell("To", c.destination)
        line += _cell("Last seen", c.last) if c.last else ""
        line += _cell("Promised", c.promise) + "Seen".rjust(c.age) + " "
        return Strip([Segment(line, self._style("muted", ground))])

    def note(self, line: str, ground: Color, width: int) -> Strip:
        """A line that is no shipment."""
        return Strip([Segment(set_cell_size(line, width), self._style("muted", ground))])

    def row(self, shipment: Shipment, now: datetime, ground: Color) -> Strip:
        """One shipment."""
        c, plain, muted = self.columns, self._style("plain", ground), self._style("muted", ground)
        word, tone = promise(shipment, now)
        glyph = STATUS_GLYPHS.get(shipment.status, "·")
        name = STATUS_WORDS.get(shipment.status, shipment.status)
        segments = [
            Segment("▌ ", self._style("bad", ground)) if tone == "bad" else Segment("  ", plain),
            Segment(_cell(shipment.reference, c.reference), plain + _BOLD),
            Segment(_cell(f"{glyph} {name}", c.status), self._style(shipment.status, ground)),
            Segment(_place(shipment.origin, c.origin), plain),
            Segment(" → ", muted),
            Segment(_place(shipment.destination, c.destination) + _SPACE, plain),
        ]
        if c.last:
            segments.append(Segment(_place(shipment.last_place, c.last) + _SPACE, muted))
        seen = span(now - (shipment.updated_at or shipment.registered_at))
        loud = self._style(tone, ground) + (_BOLD if tone == "bad" else Style.null())
        segments += [Segment(_cell(word, c.promise), loud), Segment(seen.rjust(c.age) + " ", muted)]
        return Strip(segments)

    def _style(self, name: str, ground: Color) -> Style:
        colour = ground + self._colours.get(name, self._colours["plain"])
        return Style(color=colour.rich_color, bgcolor=ground.rich_color)


def fit(text: str, width: int) -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(set_cell_size(text, max(0, width - 1)).rstrip() + "…", width)


def _cell(text: str, width: int) -> str:
    return fit(text, width) + _SPACE


def _place(place: Place | None, width: int) -> str:
    """With its country if both fit: half a country is no country."""
    if place is None:
        return " " * width
    return fit(str(place) if cell_len(str(place)) <= width else place.name, width)
