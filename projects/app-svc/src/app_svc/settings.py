"""What can be set, from variables that begin with APP_SVC_. Read once, in `__main__`."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, FilePath, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lib_one.nats.addresses import safe, safe_for_guests

PREFIX = "APP_SVC_"


class UnknownSettingError(Exception):
    """A variable has our prefix, and no setting has its name: most likely a typing mistake."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"unknown setting {', '.join(names)}: see docs/reference/settings.md")


class Settings(BaseSettings):
    """Settings of app-svc. The defaults run at once on one machine."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Address to listen at."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8401
    """Port to listen at; 0 takes a free one."""
    database_url: str = "sqlite:///.data/app.db"
    """`sqlite:////absolute/path.db` or `postgresql+psycopg://user:password@host/name`."""
    nats_url: str = "nats://127.0.0.1:8402"
    """The bus: `nats://` on this machine, else `tls://host:port`; those of a cluster with commas between. It may be
    away: then writes go on, and their events wait in the outbox."""
    nats_ca_file: FilePath | None = None
    """File with the authority (PEM) behind the bus's certificates; without one, those that the system trusts."""
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """On how many nodes of a cluster a stream is kept that is made. `app-svc topology apply` changes those that are
    there."""
    nats_nkey_file: FilePath | None = None
    """File with the seed of the nkey that this service signs in to the bus with; none for a bus without sign-in."""
    issuer: str = "http://127.0.0.1:8400"
    """The authorization server whose access tokens are accepted, exactly as it calls itself."""
    resource: str = "http://127.0.0.1:8401"
    """This API's own identifier: tokens must have it as their audience. The simulator calls the API here."""
    client_id: str = "app-svc"
    """The client that asks the issuer about a token (introspection) while the revocation view is not fresh."""
    client_secret_file: FilePath | None = None
    """File with that client's secret. Without it nothing can be asked, and doubtful tokens are refused with 503."""
    secret_key_file: Path = Path(".data/app-secret.key")
    """File with the master secret, which seals the secrets of webhooks: keep it apart from the database. Made at the
    first start where `APP_SVC_RESOURCE` is a loopback address; elsewhere by `app-svc secret`."""
    workers: bool = True
    """Run the workers inside `serve`. Turn it off where `app-svc work …` runs beside it."""
    live_streams: Annotated[int, Field(ge=1)] = 1000
    """Live feeds (server-sent events) that may be open at a time; one more gets 503."""
    live_bus: str = ""
    """Addresses at which clients reach the bus, separated by spaces, such as `tls://bus.example:4222
    wss://bus.example/nats`: told with each live feed, so that a client may hear it there. Empty: over HTTP alone."""
    simulator_client_id: str = "simulator"
    """The client that the simulator gets its tokens as."""
    simulator_client_secret_file: FilePath | None = None
    """File with that client's secret."""
    simulator_pace: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Seconds between two scans of the simulator."""
    simulator_shipments: Annotated[int, Field(ge=1, le=1000)] = 40
    """Shipments that the simulator keeps under way; while there are as many, it registers no more."""
    simulator_total: Annotated[int, Field(ge=1)] = 20_000
    """Shipments that the simulator registers at most in all its runs; then it rests."""
    simulator_seed: int | None = None
    """Makes the simulator's choices the same in every run; by default they differ."""

    metrics: bool | None = None
    """Whether `/metrics` answers, for Prometheus. Unset: where `APP_SVC_RESOURCE` is a loopback address alone. It tells
    how the service is used and has no sign-in, so a proxy must not publish it."""

    otlp_endpoint: Annotated[str | None, Field(pattern="^https?://.")] = None
    """Address of a collector of traces (OTLP over HTTP), such as `http://127.0.0.1:4318`; none sends nothing. Needs the
    extra `otel`."""

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("use sqlite:///path or postgresql+psycopg://…")
        return value

    @field_validator("live_bus")
    @classmethod
    def _encrypted_for_guests(cls, value: str) -> str:
        return safe_for_guests(value)

    @field_validator("nats_url")
    @classmethod
    def _encrypted_bus(cls, value: str) -> str:
        return safe(value)

    @model_validator(mode="after")
    def _refuse_plain_http(self) -> Self:
        for name in ("issuer", "resource"):
            url = urlsplit(getattr(self, name))
            if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
                raise ValueError(f"{PREFIX}{name.upper()} must be an http(s) URL without query and fragment")
            if url.scheme == "http" and not _loopback(url.hostname):
                raise ValueError(f"{PREFIX}{name.upper()} must begin with https://: http is for this machine alone")
        return self

    @property
    def shows_metrics(self) -> bool:
        """Whether `/metrics` answers."""
        return self.loopback if self.metrics is None else self.metrics

    @property
    def loopback(self) -> bool:
        """Whether the resource is this machine: development, where webhooks may be sent to it."""
        return _loopback(urlsplit(self.resource).hostname or "")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the environment gives.

    Raises:
        UnknownSettingError: a variable has the prefix and is no setting.
        pydantic.ValidationError: a value is not valid.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise UnknownSettingError(unknown)
    return Settings()


def secret(file: Path | None) -> str | None:
    """The one line of a secret's file; None when no file is set.

    Raises:
        OSError: the file cannot be read.
    """
    return None if file is None else file.read_text(encoding="utf-8").strip()
