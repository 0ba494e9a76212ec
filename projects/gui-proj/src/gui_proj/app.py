"""The app: holds the session, follows the live feed, and says which screen is open. Screens draw; the backend talks."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Input

from gui_proj.backend import Away, Backend, FeedState, Refused, SignedOut
from gui_proj.board import Board
from gui_proj.messages import FeedChanged, FeedMoved
from gui_proj.revocation import Person
from gui_proj.screens.board import BoardScreen
from gui_proj.screens.confirm import ConfirmScreen
from gui_proj.screens.help import HelpScreen
from gui_proj.screens.revoke import RevokeScreen
from gui_proj.screens.service import ServiceScreen
from gui_proj.screens.sign_in import SignInScreen

_PAUSES = (0.5, 1.0, 2.0, 4.0)
_LONGEST_PAUSE = 8.0
_BREATH = 50


class GuiApp(App[None]):
    """Sign in, watch shipments, sign out."""

    TITLE = "Shipments"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Keys", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
    ]

    connection: reactive[str] = reactive("signed out")
    person: reactive[Person | None] = reactive(None)
    operator: reactive[bool] = reactive(False)
    trouble: reactive[str] = reactive("")

    def __init__(
        self,
        backend: Backend,
        *,
        theme: str = "tokyo-night",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__()
        self.backend = backend
        self.now = now
        self.board = Board(now=now)
        self.theme = theme
        self._again = asyncio.Event()

    def on_mount(self) -> None:
        """Go on with the stored session, or ask for a sign-in."""
        self._begin()

    async def on_unmount(self) -> None:
        """Let go of the network."""
        await self.backend.close()

    @work(group="session", exclusive=True)
    async def _begin(self) -> None:
        try:
            restored = await self.backend.restore()
        except (SignedOut, Away, Refused) as error:
            self.sign_in(str(error))
        else:
            self.signed_in() if restored else self.sign_in()

    def signed_in(self) -> None:
        """There is a session: open the board and follow the feed."""
        self.board = Board(now=self.now)
        self.person, self.operator, self.connection, self.trouble = None, False, "connecting", ""
        self._open(BoardScreen(self.board))
        self._follow()
        self._greet()

    def sign_in(self, reason: str = "") -> None:
        """There is no session (any more): say why, and offer to sign in."""
        if any(isinstance(screen, SignInScreen) for screen in self.screen_stack):
            return  # two requests may learn of the same end
        for group in ("feed", "person"):
            self.workers.cancel_group(self, group)
        self.person, self.operator, self.connection, self.trouble = None, False, "signed out", ""
        self.clear_notifications()
        if not any(isinstance(screen, ServiceScreen) and screen.outlives(reason) for screen in self.screen_stack):
            self._open(SignInScreen(reason))

    def _open(self, screen: Screen[None]) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.push_screen(screen)

    async def ask[T](self, call: Callable[[], Awaitable[T]]) -> T | None:
        """The answer to `call`, however long the service is away; None when it is refused, which the screen then says.

        For workers of screens: when the session has ended, so has the screen, and its worker ends here.
        """
        for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
            try:
                answer = await call()
            except SignedOut as error:
                self.sign_in(str(error))
                raise asyncio.CancelledError from error
            except Refused as error:
                self.notify(str(error), severity="error", title="That did not work", timeout=8, markup=False)
                return None
            except Away as error:
                self.trouble = f"{error} Trying again by itself; r tries now."
                await self._pause(pause)
            else:
                self.trouble = ""
                return answer
        return None

    async def _pause(self, seconds: float) -> None:
        self._again.clear()
        try:
            await asyncio.wait_for(self._again.wait(), seconds)
        except TimeoutError:
            return

    @work(group="feed", exclusive=True)
    async def _follow(self) -> None:
        for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
            try:
                await self._take_feed()
            except SignedOut as error:
                self.sign_in(str(error))
                return
            except Refused as error:
                self.connection = "no live feed"
                self.notify(str(error), severity="error", title="No live feed", timeout=8, markup=False)
                return
            except Away:
                self.connection = "reconnecting"
            await self._pause(pause)

    async def _take_feed(self) -> None:
        taken = 0
        async with aclosing(self.backend.live(self._feed_is)) as feed:
            async for change in feed:
                self.board.apply(change)
                self.post_message(FeedMoved())
                taken += 1
                if taken % _BREATH == 0:
                    await asyncio.sleep(0)  # a burst that is there at once must not keep keys and drawing waiting

    def _feed_is(self, state: FeedState) -> None:
        if self.connection != "signed out":
            self.connection = state.value
            self.post_message(FeedChanged())

    @work(group="person", exclusive=True)
    async def _greet(self) -> None:
        """The name is an ornament: without it, everything works, so nothing is said when it cannot be had."""
        for pause in _PAUSES:
            try:
                self.operator = await self.backend.operates()
                self.person = await self.backend.person()
            except (SignedOut, Refused):
                return
            except Away:
                await asyncio.sleep(pause)
            else:
                return

    def on_feed_moved(self) -> None:
        """Hand what changed to every screen that shows shipments."""
        changed = self.board.take_changed()
        for screen in self.screen_stack:
            if isinstance(screen, ServiceScreen) and screen.is_mounted and changed:
                screen.feed_moved(changed)

    def on_feed_changed(self) -> None:
        """The feed came, or went: look afresh at what is on the screens."""
        for screen in self.screen_stack:
            if isinstance(screen, ServiceScreen) and screen.is_mounted:
                screen.fetch()

    def action_try_again(self) -> None:
        """Do not wait for the next try; fetch what is on the screen again."""
        self._again.set()
        if isinstance(self.screen, ServiceScreen):
            self.screen.fetch()

    def watch_operator(self) -> None:
        """The footer offers to operators what is theirs."""
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """To revoke is for operators; its key in the search box is a letter."""
        if action == "revoke":
            return self.operator and not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    async def action_revoke(self) -> None:
        """Choose what is to end. Ready when it returns: the next key may be on its way already."""
        if not any(isinstance(screen, RevokeScreen) for screen in self.screen_stack):
            await self.push_screen(RevokeScreen())

    def action_help(self) -> None:
        """Show the keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_sign_out(self) -> None:
        """Ask, then revoke the session and forget it."""
        if self.connection != "signed out":
            question = "Sign out? The session is revoked and forgotten on this machine."
            self.push_screen(ConfirmScreen(question, yes="Sign out"), self._sign_out_if)

    def _sign_out_if(self, sure: bool | None) -> None:
        if sure:
            self._sign_out()

    @work(group="session", exclusive=True)
    async def _sign_out(self) -> None:
        self.workers.cancel_group(self, "feed")
        self.connection = "signed out"
        try:
            await self.backend.sign_out()
        except (Away, Refused, SignedOut) as error:
            self.sign_in(str(error))
        else:
            self.sign_in("Signed out. The session was revoked and forgotten.")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: Textual's commands and ours."""
        yield from super().get_system_commands(screen)
        if self.connection != "signed out":
            yield SystemCommand("Sign out", "Revoke the session and forget it", self.action_sign_out)
            if self.operator:
                yield SystemCommand(
                    "Revoke", "End what was issued, and see which services refuse it", self.action_revoke
                )
            yield SystemCommand("Fetch again", "Ask the services now", self.action_try_again)
