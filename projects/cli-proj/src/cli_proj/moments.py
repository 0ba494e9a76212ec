"""Times as people type them."""

from datetime import UTC, datetime

from cli_proj.errors import CliError, ExitCode


def moment(text: str, *, option: str) -> datetime:
    """An aware time from ISO 8601 text; UTC where it names no offset. Raises CliError for the option otherwise."""
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CliError(
            f"{option}: {text!r} is no time.",
            "Write 2026-12-01, 2026-12-01T14:30 or 2026-12-01T14:30+01:00.",
            code=ExitCode.USAGE,
        ) from error
