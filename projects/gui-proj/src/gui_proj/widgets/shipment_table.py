"""The rows of the board: drawn line by line, so that seven thousand cost no more than the thirty that are seen."""

from time import monotonic
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from gui_proj.board import Board
from gui_proj.messages import MoreWanted, ShipmentChosen
from gui_proj.widgets.row import Columns, Painter

FLASH_SECONDS = 2.4
_FRAME = 0.12
_AHEAD = 60


class ShipmentTable(ScrollView, can_focus=True):
    """A list with a cursor over the rows of a `Board`. Rows that changed light up and fade."""

    DEFAULT_CSS = """
    ShipmentTable {
        height: 1fr; padding: 0; overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1;
        scrollbar-background: $background; scrollbar-color: $foreground 20%; background: $background;
        scrollbar-background-hover: $background; scrollbar-background-active: $background;
    }
    ShipmentTable > .table--plain { color: $foreground; }
    ShipmentTable > .table--muted { color: $foreground 62%; }
    ShipmentTable > .table--registered { color: $text-secondary; }
    ShipmentTable > .table--in_transit { color: $text-primary; }
    ShipmentTable > .table--delivered { color: $text-success; }
    ShipmentTable > .table--bad { color: $text-error; }
    ShipmentTable > .table--warning { color: $text-warning; }
    ShipmentTable > .table--cursor { background: $foreground 14%; }
    ShipmentTable > .table--flash { background: $primary 60%; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"table--{name}"
        for name in ("plain", "muted", "registered", "in_transit", "delivered", "bad", "warning", "cursor", "flash")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Timeline"),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False),
        Binding("home,g", "jump(0)", "First", show=False),
        Binding("end,G", "jump(-1)", "Last loaded", show=False),
    ]

    cursor: reactive[int] = reactive(0)
    note: reactive[str] = reactive("")

    def __init__(self, board: Board, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.board = board
        self._flashes: dict[str, float] = {}
        self._selected: str | None = None
        self._ticker: Timer | None = None
        self._painter: Painter | None = None
        self._longest = 0

    def on_mount(self) -> None:
        """Start the clock that keeps ages true."""
        self.set_interval(15, self.refresh)
        self.watch(self.app, "theme", self._forget_colours, init=False)

    def reload(self) -> None:
        """Take the rows as the board has them now. The cursor stays on its shipment, or on top."""
        rows = self.board.rows
        before = self.cursor
        top = self.scroll_offset.y
        if before == 0 and top == 0:
            row = 0  # who watches the top sees what comes
        elif self._selected is not None and self._selected in self.board.shipments:
            row = before if before < len(rows) and rows[before] == self._selected else rows.index(self._selected)
        else:
            row = min(before, max(0, len(rows) - 1))
        tail = 1 if self.board.next_cursor is not None else 0
        self.virtual_size = Size(self._width, 1 + len(rows) + tail)
        longest = max((len(shipment.reference) for shipment in self.board.shipments.values()), default=0)
        if longest > self._longest:
            self._longest, self._painter = longest, None
        moved = row - before
        self.set_reactive(ShipmentTable.cursor, row)
        self._selected = rows[row] if rows else None
        seen = max(1, self.size.height - 1)
        if moved and (top or row >= seen):
            self.scroll_to(y=top + moved if top else row - seen + 1, animate=False)
        self.refresh()
        self._ask_for_more()

    def top(self) -> None:
        """Begin at the first row again: another filter was chosen."""
        self._selected = None
        self.set_reactive(ShipmentTable.cursor, 0)
        self.scroll_to(y=0, animate=False)

    def flash(self, ids: set[str]) -> None:
        """Light up these rows; they fade in about two seconds, and leave then if the filter no longer wants them."""
        start = monotonic()
        self._flashes.update((id_, start) for id_ in ids if id_ in self.board.shipments)
        if self._flashes and self._ticker is None:
            self._ticker = self.set_interval(_FRAME, self._fade)

    def action_move(self, step: int) -> None:
        """Move the cursor by rows."""
        self._go(self.cursor + step)

    def action_page(self, direction: int) -> None:
        """Move the cursor by what is seen at once."""
        self._go(self.cursor + direction * max(1, self.size.height - 2))

    def action_jump(self, row: int) -> None:
        """First row, or (-1) the last one that is loaded."""
        self._go(row if row >= 0 else len(self.board.rows) - 1)

    def action_open(self) -> None:
        """Open the shipment under the cursor."""
        if self._selected is not None:
            self.post_message(ShipmentChosen(self._selected))

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse; a second click opens it."""
        row = event.y - 1 + self.scroll_offset.y
        if event.y == 0 or row >= len(self.board.rows):
            return
        if row == self.cursor:
            self.action_open()
        else:
            self._go(row)

    def on_resize(self) -> None:
        """Columns depend on the width."""
        self._painter = None
        self.reload()

    def render_line(self, y: int) -> Strip:
        """The header, a row, or what stands in place of rows."""
        width = self._width
        painter = self._painter = self._painter or self._paint()
        ground = self.background_colors[1]
        if y == 0:
            return painter.header(ground)
        row = y - 1 + self.scroll_offset.y
        rows = self.board.rows
        if row < len(rows):
            shipment = self.board.shipments[rows[row]]
            selected = row == self.cursor
            if self.app.current_theme.ansi:  # the terminal's own colours: nothing to blend, so attributes have to do
                mark = Style(reverse=selected, underline=shipment.id in self._flashes)
                return painter.row(shipment, self.board.now(), ground).apply_style(mark)
            return painter.row(shipment, self.board.now(), self._ground(shipment.id, selected=selected))
        if row == len(rows) and self.board.next_cursor is not None and rows:
            rest = self.board.total - len(rows)
            return painter.note(f"  … {rest:,} more" if rest > 0 else "  …", ground, width)
        if not rows and y == max(2, self.size.height // 3):
            return painter.note(self.note[:width].center(width), ground, width)
        return painter.note("", ground, width)

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _paint(self) -> Painter:
        colours = {
            name.removeprefix("table--"): self.get_component_styles(name).color for name in self.COMPONENT_CLASSES
        }
        return Painter(Columns.fit(self._width, self._longest), colours=colours)

    def _ground(self, id_: str, *, selected: bool) -> Color:
        ground = self.background_colors[1]
        if selected:
            ground = ground + self._tint("cursor", 1.0 if self.has_focus else 0.5)
        start = self._flashes.get(id_)
        if start is not None:
            ground = ground + self._tint("flash", max(0.0, 1 - (monotonic() - start) / FLASH_SECONDS))
        return ground

    def _tint(self, name: str, strength: float) -> Color:
        colour = self.get_component_styles(f"table--{name}").background
        return colour.with_alpha(colour.a * strength)

    def _fade(self) -> None:
        over = {id_ for id_, start in self._flashes.items() if monotonic() - start >= FLASH_SECONDS}
        for id_ in over:
            del self._flashes[id_]
        if not self._flashes and self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
        if over and self.board.settle(over):
            self.reload()
            return
        lit = over | self._flashes.keys()
        top = self.scroll_offset.y
        for line, id_ in enumerate(self.board.rows[top : top + self.size.height - 1], start=1):
            if id_ in lit:
                self.refresh(Region(0, line, self._width, 1))

    def _go(self, row: int) -> None:
        rows = self.board.rows
        if not rows:
            return
        row = min(max(0, row), len(rows) - 1)
        self.cursor, self._selected = row, rows[row]
        seen = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if row < top:
            self.scroll_to(y=row, animate=False)
        elif row >= top + seen:
            tail = 1 if row == len(rows) - 1 and self.board.next_cursor is not None else 0
            self.scroll_to(y=row - seen + 1 + tail, animate=False)
        self._ask_for_more()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The wheel and the scrollbar also reach the end of what is loaded."""
        super().watch_scroll_y(old_value, new_value)
        self._ask_for_more()

    def _ask_for_more(self) -> None:
        bottom = max(self.cursor, self.scroll_offset.y + self.size.height)
        if self.board.next_cursor is not None and bottom + _AHEAD >= len(self.board.rows):
            self.post_message(MoreWanted())

    def _forget_colours(self) -> None:
        self._painter = None
        self.refresh()
