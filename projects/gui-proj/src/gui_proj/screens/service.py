"""What the board and the timeline share: they show what services say, and how the connection to them stands."""

from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from textual.app import ComposeResult
from textual.await_remove import AwaitRemove
from textual.screen import Screen
from textual.widgets import Footer

from gui_proj.shipments import Shipment
from gui_proj.widgets.banner import Banner
from gui_proj.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from gui_proj.app import GuiApp

_ROOMY = 100


class ServiceScreen(Screen[None]):
    """Top bar, banner, what the screen is about, footer."""

    heading = "Shipments"

    @property
    def gui(self) -> "GuiApp":
        """The app that this screen belongs to."""
        return cast("GuiApp", self.app)

    def remove(self) -> AwaitRemove:
        """End the questions first: an answer must not find a screen that is half taken apart."""
        self.workers.cancel_node(self)
        return super().remove()

    def compose(self) -> ComposeResult:
        """The frame around `body`."""
        yield TopBar()
        yield Banner()
        yield from self.body()
        yield Footer(compact=True)

    def body(self) -> ComposeResult:
        """What is between the banner and the footer."""
        yield from ()

    def on_mount(self) -> None:
        """Keep the frame true."""
        bar = self.query_one(TopBar)
        bar.heading = self.heading
        bar.place = urlsplit(self.gui.backend.app_url).netloc
        self.watch(self.gui, "connection", lambda value: setattr(bar, "connection", value))
        self.watch(self.gui, "person", lambda person: setattr(bar, "person", person.name if person else ""))
        self.watch(self.gui, "trouble", lambda line: self.query_one(Banner).say(line and f"▲ {line}"))
        self.fetch()

    def on_resize(self) -> None:
        """In a narrow terminal the keys of the screen need the room."""
        self.query_one(Footer).show_command_palette = self.app.size.width >= _ROOMY

    def fetch(self) -> None:
        """Ask the services for what is shown."""

    def outlives(self, reason: str) -> bool:  # noqa: ARG002 - for those that do
        """Whether the screen stays although the session has ended, and leads to the sign-in by itself."""
        return False

    def feed_moved(self, changed: dict[str, Shipment]) -> None:
        """These shipments changed a moment ago."""
