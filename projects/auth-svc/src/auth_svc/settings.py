"""What an operator can set: the one place where auth-svc reads its environment.

Each variable is `AUTH_SVC_` + the field's name in capitals. A variable with the prefix that no field has refuses to
start, by name: a typo in a security setting must not be silent.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lib_one.nats.addresses import safe, safe_for_guests

PREFIX = "AUTH_SVC_"
_SEGMENT = re.compile(r"[A-Za-z0-9\-._~]+")


class Settings(BaseSettings):
    """Settings of auth-svc."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    issuer: str = "http://127.0.0.1:8400"
    """The issuer identifier (RFC 8414 section 2): the address under which clients reach auth-svc, without a slash
    at the end. `https` unless it is a loopback address. It may have a path, under which all pages and endpoints then
    are. It is in every token: changing it ends them all."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(default=8400, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    database_url: str = "sqlite:///.data/auth.db"
    """`sqlite:///relative/path.db`, `sqlite:////absolute/path.db` or `postgresql+psycopg://user:password@host/name`."""

    trusted_proxies: str = ""
    """Addresses or networks, separated by commas, of the reverse proxies in front: from them `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed. Limits on guessing count by address, so behind a proxy this must be set."""

    client_certificate_header: str = ""
    """The header in which those proxies send the TLS certificate of a client (RFC 8705), such as `Client-Cert` (RFC
    9440) or one that holds nginx's `$ssl_client_escaped_cert`. They must drop it from what clients send. Empty: clients
    cannot use certificates."""

    client_certificate_verified_header: str = ""
    """The header in which they say `SUCCESS` if an authority that they trust issued it (nginx's `$ssl_client_verify`).
    Without it only self-signed certificates, whose keys are registered, prove who a client is."""

    mtls_url: str = ""
    """Where clients with certificates reach auth-svc, if the proxies ask for certificates at another address than the
    issuer's, such as `https://mtls.login.example`: a browser that is asked shows its person a dialogue. The metadata
    tell it for the endpoints of programs (RFC 8705 section 5)."""

    nats_url: str = "nats://127.0.0.1:8402"
    """Where the bus is: `nats://` on this machine, else `tls://host:port`; those of a cluster with commas between.
    While it is away, events wait in the outbox."""

    nats_ca_file: Path | None = None
    """File with the authority (PEM) behind the bus's certificates; without one, those that the system trusts."""

    nats_replicas: int = Field(default=1, ge=1, le=5)
    """On how many nodes of a cluster a stream is kept that is made. `auth-svc topology apply` changes those that are
    there."""

    nats_nkey_file: Path | None = None
    """File with the nkey seed that auth-svc shows to the bus; none for a bus without authentication."""

    nats_door_keys: Path | None = None
    """Folder with the keys of the bus's door: `door-issuer.nk`, `door-curve.nk` and `door-keeper.nk`, as nats-server's
    configuration names them. auth-svc then decides who may connect by an access token, and ends the connections of
    revoked ones. None: nobody is admitted by a token."""

    nats_door_addresses: str = ""
    """Addresses at which clients reach the bus, separated by spaces, such as `tls://bus.example:4222
    wss://bus.example/nats`. `/ready` tells them, and whoever comes with a token that is bound to a key proves it for
    one of them. Empty: nobody comes in with such a token."""

    secret_key_file: Path = Path(".data/auth-secret.key")
    """File with the master secret: 32 random bytes in base64url, mode 0600. Signing keys are encrypted with it, client
    secrets hashed. On a loopback issuer it is made at the first start; elsewhere `auth-svc keys secret` makes it."""

    seed_file: Path | None = None
    """JSON file with users and clients that exist from the start. It is applied at every start and changes only what
    differs; passwords and secrets are kept as hashes."""

    resource: str = "http://127.0.0.1:8401"
    """The resource identifier (RFC 8707) of app-svc: the audience of tokens with a scope `shipments:…`."""

    trusted_issuers_file: Path | None = None
    """JSON file with the issuers whose assertions are taken for tokens (RFC 7523): for each its keys, who may show what
    it signs, and the most that it can give. Without one, that grant type is not there."""

    upstream_issuers_file: Path | None = None
    """JSON file with the issuers whose shared signals (SSF 1.0) are listened to: for each the address of its keys, who
    we are there, how people are named, and where it is polled if it does not push to `/ssf/receive`. A session that is
    revoked there ends here too. Without one, nobody is listened to."""

    signal_poll_wait: timedelta = Field(default=timedelta(seconds=25), gt=timedelta(), le=timedelta(minutes=5))
    """How long a receiver that polls for shared signals (RFC 8936) waits for an answer when there are none. Proxies in
    front must keep connections open for longer."""

    profile: Literal["oauth21", "fapi2"] = "oauth21"
    """The rules for clients that are not registered with a profile of their own: OAuth 2.1 with the Security BCP, or
    the FAPI 2.0 Security Profile."""

    registration: Literal["closed", "token", "open"] = "closed"
    """Who may register clients at `/client_registration` (RFC 7591): nobody, who has an initial access token
    (`auth-svc clients invitations add`), or everybody."""

    allow_open_registration: bool = False
    """Whether an issuer that is not on a loopback address may have `registration=open`: strangers then put their names
    on the consent page."""

    software_issuers_file: Path | None = None
    """JSON file with the issuers of software statements (RFC 7591 section 2.3): for each its keys. What a statement
    says wins over what the client that registers with it says. Without a file, statements are ignored."""

    require_software_statement: bool = False
    """Whether nobody registers at `/client_registration` without a software statement."""

    self_registration: bool = False
    """Whether people may make accounts for themselves at `/register`; a client asks for that with `prompt=create`.
    E-mail addresses are then what people typed: nobody has verified them."""

    self_registration_roles: tuple[str, ...] = ()
    """The roles of everybody who registers, as a JSON array. Without one, an account can only say who it is."""

    client_id_metadata_documents: bool = False
    """Whether an `https` address can be a client id: the document there says who the client is, and nothing needs to be
    registered before. Clients of the Model Context Protocol come so. Strangers then put their names on the consent
    page, which shows where the answer goes as well."""

    require_pushed_authorization_requests: bool = False
    """Whether every client must send its authorization requests to `/par` (RFC 9126) instead of through the browser.
    Clients of the profile `fapi2` must in any case."""

    dpop_nonce: Literal["never", "fapi2", "always"] = "fapi2"
    """Whose DPoP proofs must repeat a nonce of ours (RFC 9449 section 8): nobody's, those of clients that keep the
    rules of FAPI 2.0, or everybody's. With a nonce, a proof cannot be made in stock for later; it costs the client one
    more request now and then."""

    access_token_life: timedelta = Field(default=timedelta(minutes=10), gt=timedelta(), le=timedelta(minutes=10))
    """How long an access token is good, ten minutes at most: the bus keeps a revocation for so long, and a resource
    server that starts later would not learn of it. Revocation is quick, whatever this says."""

    refresh_token_life: timedelta = timedelta(days=30)
    """How long a refresh token is good when it is not used."""

    grant_life: timedelta = timedelta(days=90)
    """How long a grant can be renewed by refresh tokens before the person must sign in again."""

    code_life: timedelta = timedelta(seconds=60)
    """How long an authorization code is good."""

    device_code_life: timedelta = timedelta(minutes=10)
    """How long a person has to enter the code that a device shows."""

    backchannel_request_life: timedelta = timedelta(minutes=5)
    """How long a person has to answer an application that asks over the back channel (CIBA), at most."""

    session_life: timedelta = timedelta(hours=12)
    """How long a browser stays signed in."""

    password_workers: int = Field(default=2, ge=1, le=64)
    """How many passwords are checked at once. Each takes about 20 MiB and tens of milliseconds of one core."""

    password_queue: int = Field(default=16, ge=0, le=10_000)
    """How many sign-ins may wait for a worker; further ones are answered 503 with `Retry-After`."""

    log_json: bool | None = None
    """Logs as JSON lines (`true`) or for people (`false`); unset: JSON unless stderr is a terminal."""

    metrics: bool | None = None
    """Whether `/metrics` answers, for Prometheus. Unset: on a loopback issuer alone. It tells how the service is used
    and has no sign-in, so a proxy must not publish it."""

    otlp_endpoint: str | None = Field(default=None, pattern="^https?://.")
    """Address of a collector of traces (OTLP over HTTP), such as `http://127.0.0.1:4318`; none sends nothing. Needs the
    extra `otel`."""

    @field_validator("issuer", "resource", "mtls_url")
    @classmethod
    def _is_identifier(cls, value: str, info: ValidationInfo) -> str:
        if info.field_name == "mtls_url" and not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise ValueError("must be an http(s) address")
        if parts.query or parts.fragment or "?" in value or "#" in value or value.endswith("/"):
            raise ValueError("must have no query, no fragment and no slash at the end")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_a_known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql+psycopg://")
        return value

    @field_validator("nats_door_addresses")
    @classmethod
    def _encrypted_for_guests(cls, value: str) -> str:
        return safe_for_guests(value)

    @field_validator("nats_url")
    @classmethod
    def _is_an_encrypted_bus(cls, value: str) -> str:
        return safe(value)

    @field_validator("issuer")
    @classmethod
    def _has_a_plain_path(cls, value: str) -> str:
        # Clients compare the issuer as text (RFC 8414 section 3.3), so there must be one way to write it.
        segments = urlsplit(value).path.split("/")[1:]
        if not all(_SEGMENT.fullmatch(segment) and segment not in {".", "..", ".well-known"} for segment in segments):
            raise ValueError("must have a path of plain segments (letters, digits, - . _ ~), or none")
        return value

    @model_validator(mode="after")
    def _public_needs_https(self) -> Self:
        if not self.loopback and urlsplit(self.issuer).scheme != "https":
            raise ValueError(f"{PREFIX}ISSUER: a public issuer must be https; http is for loopback addresses only")
        return self

    @model_validator(mode="after")
    def _public_is_not_open(self) -> Self:
        if self.registration == "open" and not self.loopback and not self.allow_open_registration:
            raise ValueError(
                f"{PREFIX}REGISTRATION: a public issuer is open only with {PREFIX}ALLOW_OPEN_REGISTRATION=true"
            )
        return self

    @model_validator(mode="after")
    def _somebody_can_state(self) -> Self:
        if self.require_software_statement and self.software_issuers_file is None:
            raise ValueError(f"{PREFIX}REQUIRE_SOFTWARE_STATEMENT: needs {PREFIX}SOFTWARE_ISSUERS_FILE")
        return self

    @property
    def path(self) -> str:
        """The path of the issuer, such as `/auth`; empty if it has none."""
        return urlsplit(self.issuer).path

    @model_validator(mode="after")
    def _certificates_come_from_proxies(self) -> Self:
        if self.client_certificate_header:
            if not self.trusted_proxies:
                raise ValueError(f"{PREFIX}CLIENT_CERTIFICATE_HEADER needs {PREFIX}TRUSTED_PROXIES")
            for entry in self.trusted_proxies.split(","):
                ip_network(entry.strip(), strict=False)  # a certificate that anybody may claim to have is none
        return self

    @model_validator(mode="after")
    def _mutual_tls_is_tls(self) -> Self:
        if self.mtls_url:
            if not self.client_certificate_header:
                raise ValueError(f"{PREFIX}MTLS_URL needs {PREFIX}CLIENT_CERTIFICATE_HEADER")
            if not self.loopback and urlsplit(self.mtls_url).scheme != "https":
                raise ValueError(f"{PREFIX}MTLS_URL: must be https, as the issuer is")
        return self

    @property
    def shows_metrics(self) -> bool:
        """Whether `/metrics` answers."""
        return self.loopback if self.metrics is None else self.metrics

    @property
    def loopback(self) -> bool:
        """Whether the issuer is this machine: development, where http and made-up keys are fine."""
        host = urlsplit(self.issuer).hostname or ""
        if host == "localhost":
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


class UnknownSettingError(Exception):
    """A variable with the prefix that no setting has."""


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        UnknownSettingError: a variable `AUTH_SVC_…` that nothing reads, by name.
        pydantic.ValidationError: a value that is not one.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise UnknownSettingError(f"unknown setting {', '.join(unknown)}: docs/reference/settings.md lists all")
    return Settings()
