"""The board: counts, filters, search, and the list of shipments that changes while one looks."""

from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input

from gui_proj.board import Board
from gui_proj.messages import MoreWanted, QueryChanged, ShipmentChosen
from gui_proj.screens.service import ServiceScreen
from gui_proj.screens.shipment import ShipmentScreen
from gui_proj.shipments import Query, Shipment
from gui_proj.widgets.activity import Activity
from gui_proj.widgets.counts import TILES, Counts
from gui_proj.widgets.shipment_table import ShipmentTable
from gui_proj.widgets.top_bar import TopBar

_TYPING = 0.2
_COUNTS_EVERY = 1.5
_LATENESS_EVERY = 30.0
_WIDE = 140
_LOW = 20


class BoardScreen(ServiceScreen):
    """Everything at a glance; Enter opens one shipment."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # First of all, as what is for operators: else keys typed right after it would still go to the list.
        Binding("slash", "search", "Search", key_display="/", priority=True),
        Binding("1", "choose(0)", "Filter", key_display="1-5"),
        *(
            Binding(str(number), f"choose({number - 1})", label, show=False)
            for number, (label, _, _) in enumerate(TILES[1:], start=2)
        ),
        Binding("left", "turn(-1)", "Filter before", show=False),
        Binding("right", "turn(1)", "Next filter", show=False),
        Binding("escape", "clear", "Clear"),
        Binding("a", "activity", "Activity", show=False),
        Binding("r", "app.try_again", "Refresh", show=False),
        Binding("x", "app.revoke", "Revoke", priority=True),
        Binding("o", "app.sign_out", "Sign out"),
    ]

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board
        self._typing: Timer | None = None
        self._counting: Timer | None = None
        self._counted = 0.0
        self._activity: bool | None = None

    def body(self) -> ComposeResult:
        """Counts over search and rows; what happens now beside them."""
        yield Counts()
        with Horizontal():
            with Vertical():
                yield Input(placeholder="reference or place", id="search", compact=True)
                yield ShipmentTable(self.board, id="rows")
            yield Activity(self.board, id="activity")

    def on_mount(self) -> None:
        """Begin with the list in hand."""
        self.query_one(ShipmentTable).note = "Loading shipments …"
        self.query_one(ShipmentTable).focus()
        self.set_interval(_LATENESS_EVERY, self._count)
        super().on_mount()

    def fetch(self) -> None:
        """The first page and the counts, again."""
        self._load()
        self._count()

    def feed_moved(self, changed: dict[str, Shipment]) -> None:
        """Show the rows as they are now, lit; the counts follow from the service a moment later."""
        table = self.query_one(ShipmentTable)
        table.reload()
        table.flash(set(changed))
        self.query_one(Activity).refresh()
        if self._counting is None:
            self._counting = self.set_timer(max(0.1, self._counted + _COUNTS_EVERY - monotonic()), self._count)

    @work(group="rows", exclusive=True)
    async def _load(self) -> None:
        query = self.board.query
        page = await self.gui.ask(lambda: self.gui.backend.shipments(query))
        table = self.query_one(ShipmentTable)
        if page is None:
            table.note = "No shipments to show: press r to try again."
        else:
            self.board.show_first(page)
            self.query_one(TopBar).heading = f"{page.total:,} match “{query.text}”" if query.text else self.heading
            narrowed = query != Query()
            table.note = "Nothing matches. Esc clears the filter." if narrowed else "There are no shipments yet."
        table.reload()

    @on(MoreWanted)
    def _more(self) -> None:
        if self.board.next_cursor is not None and not any(
            worker.group == "rows" and worker.is_running for worker in self.workers if worker.node is self
        ):
            self._load_more(self.board.query, self.board.next_cursor)

    @work(group="rows", exclusive=True)
    async def _load_more(self, query: Query, cursor: str) -> None:
        page = await self.gui.ask(lambda: self.gui.backend.shipments(query, cursor=cursor))
        if page is not None:
            self.board.show_more(page)
            self.query_one(ShipmentTable).reload()

    @work(group="counts", exclusive=True)
    async def _count(self) -> None:
        self._counting, self._counted = None, monotonic()
        summary = await self.gui.ask(self.gui.backend.summary)
        if summary is not None:
            self.board.summary = self.query_one(Counts).summary = summary

    @on(QueryChanged)
    def _narrow(self, message: QueryChanged) -> None:
        """Another status, the same words; or the other way round."""
        if message.query == self.board.query:
            return
        self.board.narrow(message.query)
        status = Query(status=message.query.status, late=message.query.late)
        self.query_one(Counts).chosen = next((i for i, (_, query, _) in enumerate(TILES) if query == status), 0)
        self.refresh_bindings()
        table = self.query_one(ShipmentTable)
        table.note = "Searching …" if message.query.text else "Loading shipments …"
        table.top()
        table.reload()
        self._load()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc is offered while there is something to clear; a slash in the search box is a slash."""
        if action == "search":
            return not isinstance(self.focused, Input)
        if action == "clear":
            return self.board.query != Query() or any(box.display for box in self.query("#search"))
        return super().check_action(action, parameters)

    def action_choose(self, index: int) -> None:
        """Filter by one of the tiles."""
        query = TILES[index][1]
        self.post_message(QueryChanged(Query(status=query.status, late=query.late, text=self.board.query.text)))

    def action_turn(self, step: int) -> None:
        """The tile beside the chosen one."""
        self.action_choose((self.query_one(Counts).chosen + step) % len(TILES))

    def action_search(self) -> None:
        """Open the search box."""
        box = self.query_one("#search", Input)
        box.display = True
        self.set_focus(box)  # at once: the next key may be on its way already
        self.refresh_bindings()

    def action_clear(self) -> None:
        """Esc: close the search box and forget its words; without any, back to all shipments."""
        box = self.query_one("#search", Input)
        had_words = bool(box.value)
        box.display, box.value = False, ""
        self.set_focus(self.query_one(ShipmentTable))
        if not had_words:
            self.action_choose(0)
        self.refresh_bindings()

    @on(Input.Changed, "#search")
    def _type(self) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING, self._search)

    @on(Input.Submitted, "#search")
    def _submit(self) -> None:
        self._search()
        box = self.query_one("#search", Input)
        box.display = bool(box.value)
        self.set_focus(self.query_one(ShipmentTable))
        self.refresh_bindings()

    def _search(self) -> None:
        words = self.query_one("#search", Input).value.strip()
        query = self.board.query
        self.post_message(QueryChanged(Query(status=query.status, late=query.late, text=words)))

    @on(ShipmentChosen)
    def _open(self, message: ShipmentChosen) -> None:
        self.app.push_screen(ShipmentScreen(self.board, message.shipment_id))

    def action_activity(self) -> None:
        """Show or hide what happens now."""
        self._activity = not self.query_one(Activity).display
        self._arrange()

    @on(Resize)
    def _arrange(self) -> None:
        width, height = self.app.size
        self.query_one(Activity).display = width >= _WIDE if self._activity is None else self._activity
        self.query_one(Counts).set_class(height < _LOW, "-low")
