"""Sign-in: a code to enter on another device, with its QR code, or the browser of this machine."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static

from gui_proj.backend import Away, DeviceCode, Refused, SignedOut
from gui_proj.widgets.banner import Banner
from gui_proj.widgets.code_tiles import CodeTiles
from gui_proj.widgets.colours import MUTED
from gui_proj.widgets.qr import QrCode
from gui_proj.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from gui_proj.app import GuiApp

_AGAIN = 3.0
_BAR = 34
_TEXT_WIDTH = 40
_START = "On this machine, `uv run main.py` starts everything."


class SignInScreen(Screen[None]):
    """Waits for a person to sign in, here or elsewhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("b", "browser", "Browser here"),
        Binding("n,escape", "code", "New code", key_display="n"),
        Binding("r", "code", "Try again", show=False),
        Binding("c", "copy", "Copy address"),
    ]

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self._reason = reason
        self._code: DeviceCode | None = None
        self._address = ""
        self._started: datetime | None = None

    @property
    def gui(self) -> "GuiApp":
        """The app that this screen belongs to."""
        return cast("GuiApp", self.app)

    def compose(self) -> ComposeResult:
        """The QR code beside the words."""
        yield TopBar()
        yield Banner()
        with Horizontal(id="sign-in"):
            yield QrCode(id="qr")
            with Vertical(id="words"):
                yield Static("Sign in", id="title")
                yield Static(id="how")
                yield CodeTiles(id="code")
                yield Static(id="left")
                yield Static(id="state")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Get a code at once."""
        self.query_one(Banner).say(self._reason)
        self.set_interval(1, self._count_down)
        self.action_code()

    @work(group="sign-in", exclusive=True)
    async def action_code(self) -> None:
        """Begin with a fresh code."""
        self._forget()
        self._say("Asking for a code …")
        while True:
            try:
                await self.gui.backend.sign_in_by_device(self._show)
            except Away as error:
                self._forget()
                self._say(f"{error}\n\n{_START} Trying again …", "$text-warning")
                await asyncio.sleep(_AGAIN)
            except (Refused, SignedOut) as error:
                self._forget()
                self._say(f"{error} Press n for a new code.", "$text-error")
                return
            else:
                self.gui.signed_in()
                return

    @work(group="sign-in", exclusive=True)
    async def action_browser(self) -> None:
        """Sign in with the browser of this machine."""
        self._forget()
        self._how("Sign in with your browser; it comes back here by itself.")
        self._say("Opening the browser …")
        try:
            await self.gui.backend.sign_in_by_browser(self._opened)
        except (Away, Refused, SignedOut) as error:
            self._how("")
            self._say(f"{error} Press n for a code instead, b to try the browser again.", "$text-error")
        else:
            self.gui.signed_in()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is an address to copy, or there is not."""
        return bool(self._address) if action == "copy" else super().check_action(action, parameters)

    def action_copy(self) -> None:
        """Put the address into the clipboard of the terminal (OSC 52), which also works over SSH."""
        self.app.copy_to_clipboard(self._address)
        self.notify("Copied, if your terminal allows it.", timeout=3)

    def _show(self, code: DeviceCode) -> None:
        self._code, self._started, self._address = code, self.gui.now(), code.address_with_code
        self.refresh_bindings()
        self._how("On your phone or any other device, open", code.address, f"and enter the code {code.user_code}")
        self.query_one(CodeTiles).show(code.user_code)
        self.query_one(QrCode).show(code.address_with_code)
        self._say("Waiting for you …")
        self._count_down()
        self._arrange()

    def _opened(self, address: str) -> None:
        self._address = address
        self.refresh_bindings()
        self._how("Sign in with your browser; it comes back here by itself.\n\nNo window? Press c to copy the address.")
        self._say("Waiting for the browser … Press n for a code instead.")

    def _forget(self) -> None:
        self._code, self._address = None, ""
        self.refresh_bindings()
        self.query_one(QrCode).show("")
        self.query_one(CodeTiles).show("")
        self.query_one("#code").display = False
        self._how("")
        self._count_down()

    def _how(self, before: str, address: str = "", after: str = "") -> None:
        parts = [Content(before)]
        if address:
            parts += [Content(""), Content.styled(address, "bold $text-primary"), Content("")]
        if after:
            parts.append(Content(after))
        how = self.query_one("#how", Static)
        how.update(Content("\n").join(parts))
        how.display = bool(before)
        self.query_one("#code").display = bool(after)

    def _say(self, line: str, style: str = MUTED) -> None:
        self.query_one("#state", Static).update(Content.styled(line, style))

    def _count_down(self) -> None:
        left = self.query_one("#left", Static)
        left.display = self._code is not None
        if self._code is None or self._started is None:
            return
        life = max(1.0, (self._code.expires_at - self._started).total_seconds())
        seconds = max(0.0, (self._code.expires_at - self.gui.now()).total_seconds())
        filled = round(_BAR * min(1.0, seconds / life))
        colour = "$text-primary" if seconds > 60 else "$text-warning"
        left.update(
            Content.assemble(
                ("━" * filled, colour),
                ("─" * (_BAR - filled), "$foreground 18%"),
                ("\nThis code is good for ", MUTED),
                (f"{int(seconds) // 60}:{int(seconds) % 60:02}", f"bold {colour}"),
            )
        )

    @on(Resize)
    def _arrange(self) -> None:
        """The QR code only where it fits whole: half of one is of no use."""
        code = self.query_one(QrCode)
        width, height = self.app.size
        fits = code.columns + _TEXT_WIDTH <= width and code.lines + 2 <= height
        code.set_class(not fits, "-hidden")
