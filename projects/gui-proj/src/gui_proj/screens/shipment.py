"""One shipment: how it stands, and its journey, which grows while one looks."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from gui_proj.board import Board
from gui_proj.screens.service import ServiceScreen
from gui_proj.shipments import STATUS_GLYPHS, STATUS_WORDS, Shipment, Timeline, promise, span
from gui_proj.widgets.colours import MUTED, STATUS, TONE
from gui_proj.widgets.timeline import Journey
from gui_proj.widgets.top_bar import TopBar

_FRESH_SECONDS = 4.0


class ShipmentScreen(ServiceScreen):
    """Opened from the board; Esc goes back there."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Board"),
        Binding("n", "beside(1)", "Next"),
        Binding("p", "beside(-1)", "Previous"),
        Binding("r", "app.try_again", "Refresh", show=False),
        Binding("x", "app.revoke", "Revoke", show=False, priority=True),
        Binding("o", "app.sign_out", "Sign out", show=False),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, board: Board, shipment_id: str) -> None:
        super().__init__()
        self.board = board
        self.shipment_id = shipment_id
        self._timeline: Timeline | None = None
        self._fresh: frozenset[str] = frozenset()

    def body(self) -> ComposeResult:
        """Facts over the journey."""
        yield Static(id="facts")
        with VerticalScroll(id="journey"):
            yield Journey()

    def on_mount(self) -> None:
        """Show what the board knows at once; the timeline follows."""
        self.set_interval(15, self._draw)
        self.query_one("#journey").focus()
        super().on_mount()
        self._draw()

    def on_resize(self) -> None:
        """Lines are cut to the width."""
        super().on_resize()
        self.call_after_refresh(self._draw)

    def fetch(self) -> None:
        """The timeline, again."""
        self._load()

    def feed_moved(self, changed: dict[str, Shipment]) -> None:
        """Look again when it is this one that changed."""
        if self.shipment_id in changed:
            self._load()

    @work(group="timeline", exclusive=True)
    async def _load(self) -> None:
        timeline = await self.gui.ask(lambda: self.gui.backend.timeline(self.shipment_id))
        if timeline is None or timeline.shipment.id != self.shipment_id:
            return
        before, self._timeline = self._timeline, timeline
        scroll = self.query_one("#journey", VerticalScroll)
        at_end = scroll.scroll_offset.y >= scroll.max_scroll_y
        if before is not None:
            seen = {entry.event_id for entry in before.entries}
            self._fresh |= frozenset(entry.event_id for entry in timeline.entries) - seen
            self.set_timer(_FRESH_SECONDS, self._calm)
        self._draw()
        if at_end:
            self.call_after_refresh(scroll.scroll_end, animate=False)

    def _calm(self) -> None:
        self._fresh = frozenset()
        self._draw()

    def _draw(self) -> None:
        shipment = self._timeline.shipment if self._timeline else self.board.shipments.get(self.shipment_id)
        if shipment is None:
            return
        self.query_one(TopBar).heading = shipment.reference
        now = self.board.now()
        self.query_one("#facts", Static).update(_facts(shipment, self.board))
        if self._timeline is not None:
            entries = self._timeline.entries
            self.query_one(Journey).show(shipment, entries, fresh=self._fresh, now=now)

    def action_beside(self, step: int) -> None:
        """The shipment above or below this one on the board."""
        rows = self.board.rows
        if self.shipment_id in rows:
            index = rows.index(self.shipment_id) + step
            if 0 <= index < len(rows):
                self.shipment_id = rows[index]
                self._timeline, self._fresh = None, frozenset()
                self.query_one(Journey).update("")
                self._draw()
                self._load()

    def action_scroll(self, step: int) -> None:
        """Move the journey by a line."""
        self.query_one("#journey").scroll_relative(y=step, animate=False)


def _facts(shipment: Shipment, board: Board) -> Content:
    now = board.now()
    colour = STATUS.get(shipment.status, "$foreground")
    word, tone = promise(shipment, now)
    glyph = STATUS_GLYPHS.get(shipment.status, "·")
    seen = span(now - (shipment.updated_at or shipment.registered_at))
    promised = f"{shipment.promised_at.astimezone():%d %b %Y %H:%M}" if shipment.promised_at else ""
    facts: list[tuple[str, list[str | tuple[str, str]]]] = [
        ("Route", [(str(shipment.origin), "bold"), ("  →  ", MUTED), (str(shipment.destination), "bold")]),
        ("Status", [(f"{glyph} {STATUS_WORDS.get(shipment.status, shipment.status)}", f"bold {colour}")]),
        ("Promised", [promised, "  ", (word, f"bold {TONE[tone]}")] if promised else [("—", MUTED)]),
        ("Last seen", [f"{seen} ago" if seen != "now" else "now", f"  {shipment.last_place or shipment.origin}"]),
    ]
    return Content("\n").join(Content.assemble((f"{name:<11}", MUTED), *what) for name, what in facts)
