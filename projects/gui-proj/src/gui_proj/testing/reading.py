"""What a person would read on the screen."""

from textual.app import App


def screen_text(app: App[None]) -> str:
    """The characters on the screen, line by line, without colours."""
    # Textual has no public way to ask for it; what it draws is what counts, not what its widgets hold.
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
