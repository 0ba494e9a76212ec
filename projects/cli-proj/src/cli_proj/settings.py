"""What the environment says: the CLI_ variables, read once at start.

A plain dataclass does here what pydantic-settings does in the services. Loading that library costs more time than all
of `cli-proj token`, and there are six variables; the rule is the same: a CLI_ variable that nobody knows is refused by
name.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "CLI_"
SECRET_VARIABLE = "CLI_CLIENT_SECRET"


class SettingsError(Exception):
    """The environment says something that cannot be meant. The text names the variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of cli-proj. Each field is the variable CLI_<NAME>."""

    issuer: str = "http://127.0.0.1:8400"
    """The issuer identifier of auth-svc, exactly as auth-svc publishes it."""

    app_url: str = "http://127.0.0.1:8401"
    """Where app-svc answers; also the resource that tokens are asked for."""

    client_id: str = "cli-proj"
    """The OAuth client that this program signs people in as."""

    client_secret: str | None = None
    """The secret for `token --client-id …`. Read there only; never stored."""

    state_dir: Path | None = None
    """Where the sign-in is kept. Default: the folder that the operating system has for such things."""

    keyring: bool = True
    """Keep the sign-in in the keyring of the desktop where there is one; otherwise in an encrypted file."""

    def __repr__(self) -> str:
        return f"Settings(issuer={self.issuer!r}, app_url={self.app_url!r}, client_id={self.client_id!r})"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from an environment such as `os.environ`. An empty variable counts as absent.

    Raises SettingsError for an unknown CLI_ variable and for a value that cannot be used.
    """
    known = {PREFIX + field.name.upper(): field.name for field in fields(Settings)}
    given = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
    if unknown := sorted(set(given) - set(known)):
        raise SettingsError(
            f"{', '.join(unknown)}: no such setting. There are {', '.join(sorted(known))}; unset the others."
        )
    values: dict[str, object] = {known[name]: _value(known[name], name, text) for name, text in given.items()}
    return Settings(**values)  # type: ignore[arg-type]  # _value gives each field its type


def _value(field: str, variable: str, text: str) -> object:
    if field in ("issuer", "app_url"):
        # The slash of an issuer is part of its name (RFC 8414 section 3.3); the one of a base URL means nothing.
        return _url(variable, text if field == "issuer" else text.rstrip("/"))
    if field == "state_dir":
        return Path(text).expanduser()
    if field == "keyring":
        return _flag(variable, text)
    return text


def _flag(variable: str, text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise SettingsError(f"{variable} is {text!r}; write true or false.")


def _url(variable: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or parts.username:
        raise SettingsError(f"{variable} is {text!r}; write an address such as https://auth.example.com.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise SettingsError(f"{variable} is {text!r}; tokens travel over https, except on this machine itself.")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
