"""Settings of gui-proj: environment variables with the prefix GUI_, read in this one place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_settings import BaseSettings, SettingsConfigDict

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _base_url(value: str) -> str:
    url = value.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("give an address such as https://auth.example.com, without user, query or fragment")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        # OAuth 2.1 section 1.5: tokens never travel in the clear, except to this very machine.
        raise ValueError("use https:// (http:// is for 127.0.0.1 only)")
    return url


BaseUrl = Annotated[str, AfterValidator(_base_url)]


class Settings(BaseSettings):
    """Where the services are, and where this client keeps its session."""

    model_config = SettingsConfigDict(env_prefix="GUI_", frozen=True, extra="forbid")

    issuer: BaseUrl = "http://127.0.0.1:8400"
    """The authorization server (auth-svc): its issuer identifier."""
    app_url: BaseUrl = "http://127.0.0.1:8401"
    """The shipments API (app-svc): its base URL."""
    client_id: str = "gui-proj"
    """The OAuth client that this program is."""
    state_dir: Path | None = None
    """Folder of the stored session. Default: the user's state folder of this platform."""
    keyring: bool = True
    """Keep the key of the stored session in the system's keyring where there is one; else in a file beside it."""
    theme: str = "tokyo-night"
    """The colours at start: any theme of Textual, such as textual-light."""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Names in `environ` that begin with GUI_ but are no setting, sorted: a misspelt setting must not pass silently."""
    known = {f"GUI_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in environ if name.upper().startswith("GUI_") and name.upper() not in known)
