"""The table of signing keys. Private keys are sealed with the master secret."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, LargeBinary, String, Table, Text, func, select, update

from auth_svc.db import Connection, Instant, metadata

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""What can sign (RFC 7518, RFC 8037): RS256 because RFC 9068 and OIDC want everybody to have it, and the others because
FAPI 2.0 (section 5.4) does not take it."""
DEFAULT_ALGORITHM = "ES256"

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", String(43), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("private_key_sealed", LargeBinary, nullable=False),
    Column("public_jwk", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("active_at", Instant, nullable=False),
    Column("distrusted_at", Instant, nullable=True),
)


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A signing key at rest."""

    key_id: str
    """RFC 7638 thumbprint."""
    algorithm: str
    private_key_sealed: bytes
    public_jwk: str
    active_at: datetime
    """It signs from here on; it is published before."""
    distrusted: bool = False


def add(connection: Connection, key: StoredKey, *, now: datetime) -> None:
    """Keep a key."""
    connection.execute(
        signing_keys.insert().values(
            key_id=key.key_id,
            algorithm=key.algorithm,
            private_key_sealed=key.private_key_sealed,
            public_jwk=key.public_jwk,
            created_at=now,
            active_at=key.active_at,
        )
    )


def everything(connection: Connection) -> list[StoredKey]:
    """Every key, the one that signs last at the end."""
    return [
        StoredKey(
            key_id=row.key_id,
            algorithm=row.algorithm,
            private_key_sealed=bytes(row.private_key_sealed),
            public_jwk=row.public_jwk,
            active_at=row.active_at,
            distrusted=row.distrusted_at is not None,
        )
        for row in connection.execute(select(signing_keys).order_by(signing_keys.c.active_at, signing_keys.c.key_id))
    ]


def distrust(connection: Connection, key_id: str, at: datetime) -> bool:
    """Nothing that this key signed counts any more; False if there is no such trusted key."""
    statement = update(signing_keys).where(signing_keys.c.key_id == key_id, signing_keys.c.distrusted_at.is_(None))
    return connection.execute(statement.values(distrusted_at=at)).rowcount == 1


def delete(connection: Connection, key_id: str) -> bool:
    """Forget a trusted key; False if it is gone already. A distrusted one stays, so that it cannot come back."""
    statement = signing_keys.delete().where(signing_keys.c.key_id == key_id, signing_keys.c.distrusted_at.is_(None))
    return connection.execute(statement).rowcount == 1


def count(connection: Connection) -> int:
    """How many keys are trusted."""
    statement = select(func.count()).select_from(signing_keys).where(signing_keys.c.distrusted_at.is_(None))
    return connection.execute(statement).scalar_one()
