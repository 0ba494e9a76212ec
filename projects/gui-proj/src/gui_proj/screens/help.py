"""The keys, over whatever screen is open."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gui_proj.widgets.colours import MUTED

_KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Board",
        (
            ("↑ ↓  j k", "move"),
            ("PgUp PgDn  g G", "page, first, last"),
            ("Enter", "timeline of the shipment"),
            ("1 2 3 4 5", "filter: all … late, as the tiles stand"),
            ("← →", "the filter before, the next one"),
            ("/", "search; Esc clears it"),
            ("a", "what happens now (wide terminals)"),
            ("r", "fetch again now"),
        ),
    ),
    (
        "Everywhere",
        (
            ("?", "these keys"),
            ("Ctrl-P", "all commands, themes"),
            ("x", "revoke what was issued (operators)"),
            ("o", "sign out: the session is revoked"),
            ("q  Ctrl-C", "quit; the session is kept"),
        ),
    ),
    ("Timeline", (("Esc", "back to the board"), ("n p", "the next shipment, the one before"))),
    ("Sign-in", (("b", "sign in with the browser here"), ("n", "a new code"), ("c", "copy the address to open"))),
)


class HelpScreen(ModalScreen[None]):
    """A list of keys; any of Esc, ? and q closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", "Close")]

    def compose(self) -> ComposeResult:
        """One block a screen."""
        with VerticalScroll(id="help"):
            blocks: list[Content] = []
            for title, keys in _KEYS:
                blocks.append(Content.styled(title, "bold $text-primary"))
                blocks += [Content.assemble((f"  {key:<17}", "bold"), (what, MUTED)) for key, what in keys]
                blocks.append(Content(""))
            yield Static(Content("\n").join(blocks[:-1]))

    def on_mount(self) -> None:
        """The box says what it is and how to leave it."""
        box = self.query_one("#help")
        box.border_title, box.border_subtitle = "Keys", "Esc closes"
