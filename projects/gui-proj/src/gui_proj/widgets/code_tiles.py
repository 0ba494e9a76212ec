"""The user code in large tiles, one a letter, as on a departure board."""

from textual.content import Content
from textual.widgets import Static

from gui_proj.widgets.colours import MUTED


class CodeTiles(Static):
    """Shows a code such as WDJB-MJHT so that it can be read from a step away."""

    DEFAULT_CSS = "CodeTiles { width: auto; height: 3; }"

    def show(self, code: str) -> None:
        """Draw another code; an empty one leaves the tiles blank."""
        self.update(tiles(code or "····-····"))


def tiles(code: str) -> Content:
    """Three lines: every letter in its own tile, a gap where the code has its dash."""
    lines: list[list[str | tuple[str, str]]] = [[], [], []]
    for letter in code:
        if letter == "-":
            for line, text in zip(lines, ("  ", "╶ ", "  "), strict=True):
                line.append((text, MUTED))
            continue
        lines[0] += [("▄▄▄", "$primary"), " "]
        lines[1] += [(f" {letter} ", "bold $background on $primary"), " "]
        lines[2] += [("▀▀▀", "$primary"), " "]
    return Content("\n").join(Content.assemble(*line) for line in lines)
