"""What the parts of the GUI tell each other. Bursts coalesce: a message that is still waiting is replaced."""

from textual.message import Message

from gui_proj.shipments import Query


class _Latest(Message):
    """A message of which only the newest matters."""

    def can_replace(self, message: Message) -> bool:
        """One that waits already is enough."""
        return type(message) is type(self)


class FeedMoved(_Latest):
    """The live feed changed the board: look at `board.take_changed()`. A thousand changes are one message."""


class FeedChanged(_Latest):
    """The live feed came or went: fetch what may have been missed."""


class MoreWanted(_Latest):
    """The cursor comes near the end of the rows that are loaded."""


class QueryChanged(Message):
    """A filter was chosen or the search box changed."""

    def __init__(self, query: Query) -> None:
        super().__init__()
        self.query = query


class ShipmentChosen(Message):
    """A row was opened."""

    def __init__(self, shipment_id: str) -> None:
        super().__init__()
        self.shipment_id = shipment_id
