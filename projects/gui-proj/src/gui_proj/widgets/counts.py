"""The counts: one tile a status, each with its share as a bar. Tiles are also the filter."""

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gui_proj.messages import QueryChanged
from gui_proj.shipments import STATUS_WORDS, Query, Summary
from gui_proj.widgets.colours import MUTED, STATUS

TILES: tuple[tuple[str, Query, str], ...] = (
    ("All", Query(), "$foreground"),
    (STATUS_WORDS["registered"], Query(status="registered"), STATUS["registered"]),
    (STATUS_WORDS["in_transit"], Query(status="in_transit"), STATUS["in_transit"]),
    (STATUS_WORDS["delivered"], Query(status="delivered"), STATUS["delivered"]),
    ("Late", Query(late=True), "$text-error"),
)


class Counts(Widget):
    """Five tiles over the board; the chosen one stands on lighter ground. A click (or 1 to 5 on the board) chooses."""

    DEFAULT_CSS = "Counts { height: 3; margin: 1 0; padding: 0 1; } Counts.-low { margin: 0; }"

    summary: reactive[Summary | None] = reactive(None)
    chosen: reactive[int] = reactive(0)

    def render(self) -> RenderResult:
        """Label, number, bar; side by side."""
        lines: list[list[Content]] = [[], [], []]
        edges = self._edges()
        for index, (label, query, colour) in enumerate(TILES):
            width = edges[index + 1] - edges[index]
            chosen = index == self.chosen
            ground = " on $foreground 9%" if chosen else ""
            name = "bold $foreground" + (" reverse" if self.app.current_theme.ansi else "")
            count = self._count(query)
            total = self.summary.total if self.summary else 0
            bar = max(0, width - 2)
            filled = min(bar, max(1, round(bar * count / total))) if count and total else 0
            number = "–" if count is None else f"{count:,}"
            faint = f"$foreground 18%{ground}"
            for line, parts in zip(
                lines,
                (
                    [(label, f"{name if chosen else MUTED}{ground}")],
                    [(number, f"bold {colour}{ground}")],
                    [("━" * filled, f"{colour}{ground}"), ("─" * (bar - filled), faint)],
                ),
                strict=True,
            ):
                used = sum(len(text) for text, _ in parts)
                blank = ground.strip() or "$foreground"
                line.append(Content.assemble((" ", blank), *parts, (" " * max(0, width - 1 - used), blank)))
        return Content("\n").join(Content("").join(line) for line in lines)

    def on_click(self, event: events.Click) -> None:
        """Choose the tile under the mouse."""
        for (_, query, _), edge in zip(TILES, self._edges()[1:], strict=True):
            if event.x - 1 < edge:
                self.post_message(QueryChanged(query))
                return

    def _edges(self) -> list[int]:
        return [round(self.content_size.width * index / len(TILES)) for index in range(len(TILES) + 1)]

    def _count(self, query: Query) -> int | None:
        if self.summary is None:
            return None
        if query.late:
            return self.summary.late
        return self.summary.by_status.get(query.status, 0) if query.status else self.summary.total
