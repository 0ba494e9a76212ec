"""The first line of every screen: what this is, who is signed in where, and how the connection stands."""

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from gui_proj.widgets.colours import MUTED

STATES: dict[str, tuple[str, str]] = {
    "live": ("● live", "$text-success"),
    "connecting": ("◌ connecting", MUTED),
    "reconnecting": ("◌ reconnecting", "$text-warning"),
    "no live feed": ("○ no live feed", "$text-warning"),
    "signed out": ("○ signed out", MUTED),
}


class TopBar(Widget):
    """One line. `connection` is one of `STATES`."""

    DEFAULT_CSS = """
    TopBar { dock: top; height: 1; background: $panel; padding: 0 1; color: $text; }
    """

    heading: reactive[str] = reactive("Shipments")
    person: reactive[str] = reactive("")
    place: reactive[str] = reactive("")
    connection: reactive[str] = reactive("signed out")

    def render(self) -> RenderResult:
        """Left the heading; right, as far as there is room, person, place and connection."""
        word, style = STATES[self.connection]
        left = Content.assemble(("◆ ", "$primary"), (self.heading, "bold"))
        extras = [part for part in (self.person, self.place) if part]
        while True:
            right = Content.assemble(*((f"{part}  ·  ", MUTED) for part in extras), (word, style))
            room = self.size.width - left.cell_length - right.cell_length
            if room >= 2 or not extras:
                return Content.assemble(left, " " * max(1, room), right)
            extras.pop()
