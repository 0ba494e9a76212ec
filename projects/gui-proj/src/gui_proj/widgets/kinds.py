"""What can be ended, as a list to choose from."""

from textual import events
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gui_proj.revocation import ENDINGS
from gui_proj.widgets.colours import MUTED
from gui_proj.widgets.row import fit

_LABEL = 14


class Kinds(Widget):
    """One line a kind; the chosen one is marked. A click chooses."""

    DEFAULT_CSS = "Kinds { height: 5; margin: 0 0 1 0; }"

    chosen: reactive[int] = reactive(0)

    def render(self) -> RenderResult:
        """The label, and what it is."""
        return Content("\n").join(self._line(index) for index in range(len(ENDINGS)))

    def _line(self, index: int) -> Content:
        one, chosen = ENDINGS[index], index == self.chosen
        about = fit(one.about, max(0, self.size.width - _LABEL - 2)).rstrip()
        return Content.assemble(
            ("▸ " if chosen else "  ", "bold $text-primary"),
            (f"{one.label:<{_LABEL}}", "bold $text-primary" if chosen else "$foreground"),
            (about, "$foreground" if chosen else MUTED),
        )

    def turn(self, step: int) -> None:
        """Choose the one above or below; around at the ends."""
        self.chosen = (self.chosen + step) % len(ENDINGS)

    def on_click(self, event: events.Click) -> None:
        """Choose the line under the mouse."""
        if event.y < len(ENDINGS):
            self.chosen = event.y
