"""What happened last, newest first, beside the board where there is room for it."""

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from gui_proj.board import Board
from gui_proj.shipments import STATUS_GLYPHS, step
from gui_proj.widgets.colours import MUTED, STATUS
from gui_proj.widgets.row import fit


class Activity(Widget):
    """Two lines a change: when, which shipment and what; where."""

    DEFAULT_CSS = """
    Activity { width: 30%; min-width: 42; padding: 0 2; border-left: solid $foreground 12%; }
    """

    def __init__(self, board: Board, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.board = board

    def render(self) -> RenderResult:
        """As many changes as fit."""
        width = self.content_size.width
        lines = [Content.styled("Happening now", MUTED), Content("")]
        for change in reversed(self.board.activity):
            if len(lines) + 2 > self.content_size.height:
                break
            colour = STATUS.get(change.shipment.status, "$foreground")
            glyph = STATUS_GLYPHS.get(change.shipment.status, "·")
            when = (change.entry.recorded_at or change.entry.occurred_at).astimezone()
            what = step(change.entry)
            lines.append(
                Content.assemble(
                    (f"{when:%H:%M:%S}  ", MUTED),
                    (f"{glyph} ", colour),
                    (fit(change.shipment.reference, max(4, width - 13 - len(what))), "bold"),
                    " ",
                    (what, colour),
                )
            )
            lines.append(Content.styled(" " * 12 + fit(str(change.entry.place), width - 12), MUTED))
        if len(lines) == 2:
            lines.append(Content.styled("Quiet so far.", MUTED))
        return Content("\n").join(lines)
