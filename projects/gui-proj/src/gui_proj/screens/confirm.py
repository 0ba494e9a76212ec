"""A question with two answers."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class ConfirmScreen(ModalScreen[bool]):
    """Enter or y is yes, Esc or n is no. Where it is grave, Enter is not enough: it may have been pressed twice."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("enter", "accept", "Yes"),
        Binding("escape,n", "answer(False)", "No"),
    ]

    def __init__(self, question: str | Content, *, yes: str, no: str = "Stay", grave: bool = False) -> None:
        super().__init__()
        self._question = question if isinstance(question, Content) else Content(question)
        self._yes = yes
        self._no = no
        self._grave = grave

    def compose(self) -> ComposeResult:
        """The question in a box."""
        with Vertical(id="confirm"):
            yield Static(self._question)
            yes = "y" if self._grave else "Enter"
            yield Static(f"[b]{yes}[/b]  {self._yes}      [b]Esc[/b]  {self._no}", id="answers")

    def action_accept(self) -> None:
        """Enter."""
        if not self._grave:
            self.dismiss(True)

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)
