"""A QR code in half blocks: two modules a character, always dark on white so that cameras read it on any theme."""

import segno
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

_QUIET = 2  # ISO 18004 asks for 4 modules; cameras are content with 2, and a small terminal needs the room
_INK = Style(color="#000000", bgcolor="#ffffff")


class QrCode(Widget):
    """Draws `text` as a QR code. Hidden while there is none."""

    DEFAULT_CSS = """
    QrCode { width: auto; height: auto; display: none; }
    QrCode.-hidden { width: 0; height: 0; margin: 0; visibility: hidden; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[str] = []

    def show(self, text: str) -> None:
        """Draw another text; an empty one hides the code."""
        self._lines = half_blocks(text) if text else []
        self.display = bool(self._lines)
        self.refresh(layout=True)

    @property
    def columns(self) -> int:
        """Cells that the code is wide."""
        return len(self._lines[0]) if self._lines else 0

    @property
    def lines(self) -> int:
        """Lines that the code is high."""
        return len(self._lines)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - as Textual calls it
        """Columns that the code takes."""
        return self.columns

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """Rows that the code takes."""
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        """One row of the code."""
        if y >= len(self._lines):
            return Strip.blank(self.size.width)
        return Strip([Segment(self._lines[y], _INK)])


def half_blocks(text: str) -> list[str]:
    """`text` as a QR code (level L, for the fewest modules), as lines of full, upper and lower half blocks."""
    rows = [list(row) for row in segno.make(text, error="l", boost_error=False, micro=False).matrix_iter(border=_QUIET)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    return [
        "".join(" ▄▀█"[2 * bool(upper) + bool(lower)] for upper, lower in zip(*pair, strict=True))
        for pair in zip(rows[::2], rows[1::2], strict=True)
    ]
