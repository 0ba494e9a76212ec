"""The table of clients, and the cache in front of it."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Column, LargeBinary, String, Table, Text, bindparam, or_, select, update
from sqlalchemy.engine import Row

from auth_svc.clients import secrets
from auth_svc.clients.metadata import ClientMetadata, Profile
from auth_svc.clients.secrets import Secret
from auth_svc.db import Connection, Instant, metadata
from lib_one.event import Now
from lib_one.sql import Database, InsertOnce, Sweep

CLIENT_ID_LENGTH = 128

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(CLIENT_ID_LENGTH), primary_key=True),
    Column("metadata", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant, nullable=True),
    Column("deleted_at", Instant, nullable=True),
    Column("revoked_at", Instant, nullable=True),
)

used_assertions = Table(
    "used_assertions",
    metadata,
    Column("jti_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", Instant, nullable=False, index=True),
)
"""Assertions that clients have shown, until they would have expired anyway."""
_USE = InsertOnce(used_assertions)
_SWEEP = Sweep(used_assertions.c.expires_at)


class Client(ClientMetadata, frozen=True, kw_only=True):
    """An application that may ask for tokens."""

    client_id: str
    secrets: tuple[Secret, ...] = ()
    """Of those registered for a secret; expired ones may be among them."""
    disabled: bool = False
    deleted: bool = False
    """For good; a deleted one is disabled as well."""
    revoked_at: datetime | None = None
    """What was issued up to then is void."""


_decode = msgspec.json.Decoder(ClientMetadata).decode
_BY_ID = select(clients).where(clients.c.client_id == bindparam("client_id"))
UNSEEN_FOR = timedelta(seconds=1)
"""How long a change by another process can stay unseen. A change by this one is seen at once."""
_CACHE_SIZE = 10_000


def find(connection: Connection, client_id: str) -> Client | None:
    """Find a client by its id, disabled ones included."""
    row = connection.execute(_BY_ID, {"client_id": client_id}).first()
    return None if row is None else _client(connection, row)


def everyone(connection: Connection) -> list[Client]:
    """All clients by id."""
    return [_client(connection, row) for row in connection.execute(select(clients).order_by(clients.c.client_id))]


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
    """Let a disabled client ask again; False if there is no such client, or it was not disabled, or was deleted."""
    disabled = clients.c.disabled_at.is_not(None), clients.c.deleted_at.is_(None)
    statement = update(clients).where(clients.c.client_id == client_id, *disabled)
    return connection.execute(statement.values(disabled_at=None)).rowcount == 1


def delete(connection: Connection, client_id: str, at: datetime) -> bool:
    """Note that a client was deleted: its id is never given again. False if there is no such client, or it was."""
    statement = update(clients).where(clients.c.client_id == client_id, clients.c.deleted_at.is_(None))
    return connection.execute(statement.values(deleted_at=at)).rowcount == 1


def revoke(connection: Connection, client_id: str, at: datetime) -> None:
    """Note that what was issued to a client up to then is void, or up to a later moment that was noted before."""
    earlier = or_(clients.c.revoked_at.is_(None), clients.c.revoked_at < at)
    connection.execute(update(clients).where(clients.c.client_id == client_id, earlier).values(revoked_at=at))


def use_assertion(connection: Connection, jti_hash: bytes, *, expires_at: datetime) -> bool:
    """Use an assertion up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    return _USE.run(connection, jti_hash=jti_hash, expires_at=expires_at)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what no longer matters, up to so many; return how many."""
    forgotten = _SWEEP.run(connection, before=now, limit=limit)
    return forgotten + secrets.forget_expired(connection, now, limit - forgotten)


def _changeable(client: Client) -> dict[str, object]:
    return {"metadata": msgspec.json.encode(_metadata_of(client)).decode()}


type Learn = Callable[[str], Awaitable[bool]]
"""Whether there is a client at this address; it is a registered one then."""


class Clients:
    """Clients by id, from memory for a second: what the hot paths ask."""

    documents: Learn | None = None
    """What knows the clients whose id is an address; None: there are none."""

    def __init__(self, database: Database, now: Now, *, profile: Profile) -> None:
        self._database = database
        self._profile = profile
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
        if client.profile is None:
            client = msgspec.structs.replace(client, profile=self._profile)
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[client_id] = (now + UNSEEN_FOR, client)
        return client

    async def look_up(self, client_id: str) -> Client | None:
        """Find a client that begins something: one whose id is an address is learned of first."""
        if client_id.startswith("https://") and (self.documents is None or not await self.documents(client_id)):
            return None
        return self.find(client_id)

    def forget(self, client_id: str) -> None:
        """A client was changed: ask the database next time."""
        self._cache.pop(client_id, None)


def _metadata_of(client: ClientMetadata) -> dict[str, object]:
    names = ClientMetadata.__struct_fields__
    return {name: value for name, value in msgspec.structs.asdict(client).items() if name in names}


def _client(connection: Connection, row: Row[tuple[object, ...]]) -> Client:
    known = _decode(row.metadata)
    with_secret = known.token_endpoint_auth_method.startswith("client_secret_")
    return Client(
        client_id=row.client_id,
        secrets=secrets.of_client(connection, row.client_id) if with_secret else (),
        disabled=row.disabled_at is not None,
        deleted=row.deleted_at is not None,
        revoked_at=row.revoked_at,
        **msgspec.structs.asdict(known),
    )
