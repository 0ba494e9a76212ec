"""The table of clients, and the cache in front of it."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Column, LargeBinary, String, Table, Text, bindparam, select, update
from sqlalchemy.engine import Row

from auth_svc.clients.redirects import redirect_uri_matches
from auth_svc.db import Connection, Instant, metadata
from lib_one.event import Now
from lib_one.sql import Database

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(128), primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=True),
    Column("redirect_uris", Text, nullable=False),
    Column("grant_types", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=True),
    Column("id_token_alg", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant, nullable=True),
)


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """An application that may ask for tokens."""

    client_id: str
    name: str
    """What people see on the consent page."""
    secret_hash: bytes | None
    """Keyed hash of the secret; None for a public client."""
    redirect_uris: tuple[str, ...]
    grant_types: tuple[str, ...]
    scopes: tuple[str, ...]
    """All that it may ask for."""
    resource: str | None
    """The resource server that it stands for: whose tokens it may introspect."""
    id_token_alg: str
    """`ES256`, `RS256` or `EdDSA`."""
    disabled: bool

    @property
    def confidential(self) -> bool:
        """Whether it has a secret (RFC 6749 section 2.1)."""
        return self.secret_hash is not None

    def accepts_redirect(self, uri: str) -> bool:
        """Whether `uri` is registered: exact, but for the port of a loopback address."""
        return any(redirect_uri_matches(registered, uri) for registered in self.redirect_uris)


_BY_ID = select(clients).where(clients.c.client_id == bindparam("client_id"))
_CACHE_LIFE = timedelta(seconds=1)
"""How long a change by another process can stay unseen. A change by this one is seen at once."""
_CACHE_SIZE = 10_000


def find(connection: Connection, client_id: str) -> Client | None:
    """Find a client by its id, disabled ones included."""
    row = connection.execute(_BY_ID, {"client_id": client_id}).first()
    return None if row is None else _client(row)


def everyone(connection: Connection) -> list[Client]:
    """All clients by id."""
    return [_client(row) for row in connection.execute(select(clients).order_by(clients.c.client_id))]


def add(connection: Connection, client: Client, *, now: datetime) -> None:
    """Keep a new client."""
    connection.execute(clients.insert().values(client_id=client.client_id, created_at=now, **_changeable(client)))


def change(connection: Connection, client: Client) -> None:
    """Replace all that may change of a client; whether it is disabled stays as it is."""
    connection.execute(update(clients).where(clients.c.client_id == client.client_id).values(**_changeable(client)))


def disable(connection: Connection, client_id: str, at: datetime) -> bool:
    """Refuse a client from now on; False if there is no such client, or it was disabled."""
    statement = update(clients).where(clients.c.client_id == client_id, clients.c.disabled_at.is_(None))
    return connection.execute(statement.values(disabled_at=at)).rowcount == 1


def enable(connection: Connection, client_id: str) -> bool:
    """Let a disabled client ask again; False if there is no such client, or it was not disabled."""
    statement = update(clients).where(clients.c.client_id == client_id, clients.c.disabled_at.is_not(None))
    return connection.execute(statement.values(disabled_at=None)).rowcount == 1


def _changeable(client: Client) -> dict[str, object]:
    return {
        "name": client.name,
        "secret_hash": client.secret_hash,
        "redirect_uris": " ".join(client.redirect_uris),
        "grant_types": " ".join(client.grant_types),
        "scope": " ".join(client.scopes),
        "resource": client.resource,
        "id_token_alg": client.id_token_alg,
    }


class Clients:
    """Clients by id, from memory for a second: what the hot paths ask."""

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now
        self._cache: dict[str, tuple[datetime, Client]] = {}

    def find(self, client_id: str) -> Client | None:
        """Find a client that is not disabled."""
        now = self._now()
        cached = self._cache.get(client_id)
        if cached is not None and cached[0] > now:
            return cached[1]
        client = self._database.lookup(lambda connection: find(connection, client_id))
        if client is None or client.disabled:
            self._cache.pop(client_id, None)
            return None
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[client_id] = (now + _CACHE_LIFE, client)
        return client

    def forget(self, client_id: str) -> None:
        """A client was changed: ask the database next time."""
        self._cache.pop(client_id, None)


def _client(row: Row[tuple[object, ...]]) -> Client:
    return Client(
        client_id=row.client_id,
        name=row.name,
        secret_hash=None if row.secret_hash is None else bytes(row.secret_hash),
        redirect_uris=tuple(row.redirect_uris.split()),
        grant_types=tuple(row.grant_types.split()),
        scopes=tuple(row.scope.split()),
        resource=row.resource,
        id_token_alg=row.id_token_alg,
        disabled=row.disabled_at is not None,
    )
