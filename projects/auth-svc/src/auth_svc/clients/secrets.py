"""Secrets of clients: several at once, each with an end if it has one, so that a change needs no hour of silence."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, bindparam, delete, or_, select, update

from auth_svc.db import Connection, Instant, Ledger, metadata
from auth_svc.secret_key import KeyedHash, new_token
from lib_one.contracts.auth import ClientSecretAdded, ClientSecretRemoved
from lib_one.event import new_id

MOST_SECRETS = 4
"""Live ones of one client: two are enough for a change, and each makes a wrong secret dearer to refuse."""

client_secrets = Table(
    "client_secrets",
    metadata,
    Column("secret_id", String(36), primary_key=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False, index=True),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=True, index=True),
)
_OF_CLIENT = select(client_secrets).where(client_secrets.c.client_id == bindparam("client_id"))


class TooManySecretsError(Exception):
    """A client has as many secrets as it may have."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret as it is kept."""

    secret_id: str
    secret_hash: bytes
    """Keyed hash, with the client's id in it, so that equal secrets do not look equal."""
    created_at: datetime
    expires_at: datetime | None
    """None: never."""

    def live(self, now: datetime) -> bool:
        """Whether it is good now."""
        return self.expires_at is None or now < self.expires_at


def secret_hash(secrets: KeyedHash, client_id: str, secret: str) -> bytes:
    """Hash a client's secret for keeping."""
    return secrets(f"{client_id}\0{secret}")


def of_client(connection: Connection, client_id: str) -> tuple[Secret, ...]:
    """Its secrets, the eldest first, expired ones included."""
    rows = connection.execute(_OF_CLIENT.order_by(client_secrets.c.created_at), {"client_id": client_id})
    return tuple(
        Secret(
            secret_id=row.secret_id,
            secret_hash=bytes(row.secret_hash),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in rows
    )


def replace_all(connection: Connection, client_id: str, hashed: bytes | None, *, now: datetime) -> None:
    """Let a client have this secret, without an end, and no other; None: none at all."""
    connection.execute(delete(client_secrets).where(client_secrets.c.client_id == client_id))
    if hashed is not None:
        _add(connection, client_id, hashed, now=now, expires_at=None)


def forget_expired(connection: Connection, now: datetime) -> None:
    """Delete what is no longer good."""
    connection.execute(delete(client_secrets).where(client_secrets.c.expires_at <= now))


class ClientSecrets:
    """What an operator does with the secrets of a client."""

    def __init__(self, ledger: Ledger, secrets: KeyedHash) -> None:
        self._ledger = ledger
        self._secrets = secrets

    def rotate(
        self, connection: Connection, client_id: str, *, overlap: timedelta, life: timedelta | None = None
    ) -> str:
        """Give a client another secret, and let the ones that it has end when `overlap` is over. Returns the secret.

        Raises:
            TooManySecretsError: it has several that are still good.
        """
        now = self._ledger.now()
        if sum(secret.live(now) for secret in of_client(connection, client_id)) >= MOST_SECRETS:
            raise TooManySecretsError(f"{client_id} has {MOST_SECRETS} secrets that are good: remove one first")
        ends = now + overlap
        theirs = client_secrets.c.client_id == client_id
        later = or_(client_secrets.c.expires_at.is_(None), client_secrets.c.expires_at > ends)
        connection.execute(update(client_secrets).where(theirs, later).values(expires_at=ends))
        made = new_token()
        expires_at = None if life is None else now + life
        hashed = secret_hash(self._secrets, client_id, made)
        secret_id = _add(connection, client_id, hashed, now=now, expires_at=expires_at)
        self._ledger.outbox.record(
            connection,
            ClientSecretAdded(client_id=client_id, credential_id=secret_id, expires_at=expires_at, others_end_at=ends),
        )
        return made

    def remove(self, connection: Connection, client_id: str, secret_id: str) -> bool:
        """Make a secret worthless at once; False if this client has none with this id."""
        fits = client_secrets.c.client_id == client_id, client_secrets.c.secret_id == secret_id
        done = connection.execute(delete(client_secrets).where(*fits)).rowcount == 1
        if done:
            self._ledger.outbox.record(connection, ClientSecretRemoved(client_id=client_id, credential_id=secret_id))
        return done


def _add(connection: Connection, client_id: str, hashed: bytes, *, now: datetime, expires_at: datetime | None) -> str:
    secret_id = new_id()
    connection.execute(
        client_secrets.insert().values(
            secret_id=secret_id, client_id=client_id, secret_hash=hashed, created_at=now, expires_at=expires_at
        )
    )
    return secret_id
