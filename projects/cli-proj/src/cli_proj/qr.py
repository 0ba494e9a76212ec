"""A QR code as text, for a terminal."""

import io

from cli_proj.output import Output


def qr_lines(text: str, output: Output) -> list[str]:
    """The lines of a QR code, two modules a character; none where stderr has no block characters."""
    import segno

    drawn = io.StringIO()
    segno.make(text, micro=False, error="l").terminal(out=drawn, border=2, compact=True)
    lines = drawn.getvalue().splitlines()
    try:
        lines[0].encode(output.stderr.encoding or "utf-8")
    except UnicodeEncodeError:
        return []
    # White on black whatever the colours of the terminal are: some phones do not read the inverse.
    return [f"\x1b[97;40m{line}\x1b[0m" for line in lines] if output.stderr_is_terminal else lines
