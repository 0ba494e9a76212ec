"""The sign-in that is kept on this machine. Cheap to import: no HTTP, no OAuth, no command line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cli_proj.settings import Settings

if TYPE_CHECKING:
    from lib_two.token_store import TokenStore

MIN_LIFE = timedelta(seconds=30)
"""A token with less life than this is refreshed: it has to survive the trip."""


def utc_now() -> datetime:
    """The clock of the machine, aware."""
    return datetime.now(UTC)


def token_store(settings: Settings) -> "TokenStore":
    """Where the sign-in is kept."""
    from lib_two.token_store import TokenStore

    directory = settings.state_dir
    if directory is None:
        import platformdirs

        directory = Path(platformdirs.user_state_dir("event-based-svcs", appauthor=False)) / "cli"
    return TokenStore(directory, keyring=settings.keyring)


def live_token(settings: Settings, *, now: datetime) -> str | None:
    """The kept access token, if it can be used as it is. Raises what the store raises."""
    kept = token_store(settings).load(settings.issuer, settings.client_id)
    return kept.access_token if kept is not None and kept.expires_at - now > MIN_LIFE else None
