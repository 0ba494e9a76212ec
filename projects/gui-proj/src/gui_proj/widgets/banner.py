"""A line across the screen for what everybody should know: a service is away, and what is done about it."""

from textual.content import Content
from textual.widgets import Static


class Banner(Static):
    """Hidden while there is nothing to say."""

    DEFAULT_CSS = """
    Banner {
        display: none; height: auto; max-height: 2; padding: 0 1;
        background: $warning-muted; color: $text-warning;
    }
    """

    def say(self, line: str) -> None:
        """Show `line`; an empty one hides the banner."""
        self.update(Content(line))
        self.display = bool(line)
