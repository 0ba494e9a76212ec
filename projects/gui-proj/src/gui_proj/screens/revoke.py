"""For operators: choose what is to end, confirm it, and watch which services refuse it."""

from time import monotonic
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from gui_proj.backend import Away, Refused, SignedOut
from gui_proj.revocation import ENDINGS, WAIT, Kind, Person, Report, ending, own
from gui_proj.screens.confirm import ConfirmScreen
from gui_proj.screens.service import ServiceScreen
from gui_proj.widgets.colours import MUTED
from gui_proj.widgets.kinds import Kinds
from gui_proj.widgets.propagation import Propagation

_TICK = 0.1


class RevokeScreen(ServiceScreen):
    """Asks what and whose, then asks again."""

    heading = "Revoke"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Board"),
        Binding("up", "turn(-1)", "Kind above", show=False),
        Binding("down", "turn(1)", "Kind below", show=False),
    ]

    def body(self) -> ComposeResult:
        """The kinds over the place for the id."""
        with Vertical(id="revoke"):
            yield Static("What is to end?", classes="question")
            yield Kinds()
            yield Static(id="key", classes="question")
            yield Input(id="id", compact=True, max_length=128)
            yield Static(id="hint")

    def on_mount(self) -> None:
        """Begin with the place for the id in hand; arrows choose the kind."""
        super().on_mount()
        self.watch(self.query_one(Kinds), "chosen", self._name_it)
        self.query_one(Input).focus()

    def action_turn(self, step: int) -> None:
        """The kind above or below."""
        self.query_one(Kinds).turn(step)

    def _name_it(self, chosen: int) -> None:
        self.query_one("#key", Static).update(ENDINGS[chosen].key)
        self._hint()

    @on(Input.Changed, "#id")
    def _hint(self) -> None:
        self._say("↑ ↓ choose, Enter goes on. You are asked before anything ends.")

    def _say(self, line: str, style: str = MUTED) -> None:
        self.query_one("#hint", Static).update(Content.styled(line, style))

    @on(Input.Submitted, "#id")
    def _submit(self) -> None:
        one = ENDINGS[self.query_one(Kinds).chosen]
        id_ = self.query_one(Input).value.strip()
        if not id_:
            self._say(f"Type the {one.key[0].lower()}{one.key[1:]} first.", "$text-error")
            return
        parts = [Content.styled(f"Revoke {one.title.format(id_)}?", "bold"), Content(""), Content(one.effect)]
        if own(one.kind, id_, person=self.gui.person or Person(""), client_id=self.gui.backend.client_id):
            parts += [Content(""), Content.styled("This ends your own session here as well.", "bold $text-warning")]

        def go_on(sure: bool | None) -> None:
            if sure:
                self.query_one(Input).value = ""
                self.app.push_screen(PropagationScreen(one.kind, id_))

        self.app.push_screen(
            ConfirmScreen(Content("\n").join(parts), yes="Revoke", no="End nothing", grave=True), go_on
        )


class PropagationScreen(ServiceScreen):
    """Ends it, and shows who refuses it. It stays when that ended the own session, until it is left."""

    heading = "Revoke"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "leave", "Back", key_display="esc"),
        Binding("escape,enter", "sign_in", "Sign in", key_display="esc"),
    ]

    def __init__(self, kind: Kind, id_: str) -> None:
        super().__init__()
        self._kind = kind
        self._named = id_
        self._words = ending(kind).title.format(id_)
        self._since = monotonic()
        self._asking = True
        self._over: str | None = None
        self._left = False

    def body(self) -> ComposeResult:
        """What was ended, who refuses it, and what else is to be known."""
        with VerticalScroll(id="propagation"):
            yield Static(id="what")
            yield Propagation()
            yield Static(id="note")

    def on_mount(self) -> None:
        """End it."""
        super().on_mount()
        self.set_interval(_TICK, self._tick)
        self._tick()
        self._end()

    @work(group="revocation", exclusive=True)
    async def _end(self) -> None:
        try:
            report = await self.gui.backend.end(self._kind, self._named, wait=WAIT)
        except SignedOut as error:
            self._left = True
            self.gui.sign_in(str(error))
        except Refused as error:
            self._tell(f"Nothing was revoked: {error}", "$text-error")
        except Away as error:
            self._tell(f"{error} Whether it was revoked is not known: revoke it again.", "$text-error")
        else:
            self._show(report)

    def _show(self, report: Report) -> None:
        self._tell(f"Revoked: {self._words}.", "bold")
        self.query_one(Propagation).show(report)

    def _tell(self, line: str, style: str) -> None:
        self._asking = False
        self.query_one("#what", Static).update(Content.styled(line, style))

    def _tick(self) -> None:
        if self._asking:
            passed = min(WAIT, monotonic() - self._since)
            line = f"Revoking {self._words}.\n\nAsking which services refuse it …  {passed:.1f} s"
            self.query_one("#what", Static).update(Content.styled(line, MUTED))

    def outlives(self, reason: str) -> bool:
        """Who ended the own session sees the answer all the same."""
        if not self._left and self._over is None:
            self._over = reason
            self.query_one("#note", Static).update(Content.styled(f"▲ {reason}", "$text-warning"))
            self.refresh_bindings()
        return not self._left

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where one gets from here."""
        if action in {"leave", "sign_in"}:
            return (action == "sign_in") == (self._over is not None)
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        """Back to the choice."""
        self._left = True
        self.app.pop_screen()

    def action_sign_in(self) -> None:
        """The session is over."""
        self._left = True
        self.gui.sign_in(self._over or "")
