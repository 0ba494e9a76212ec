"""Tables of grants and their refresh tokens."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, Text, bindparam, delete, select, update

from auth_svc.db import Connection, Instant, metadata
from auth_svc.grants.terms import Confirmation, Terms, from_text, to_text
from auth_svc.secret_key import new_token, token_hash
from lib_one.sql import Prepared, Sweep

grants = Table(
    "grants",
    metadata,
    Column("grant_id", String(36), primary_key=True),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False, index=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False, index=True),
    Column("session_id", String(64), nullable=True, index=True),
    Column("scope", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("auth_time", Instant, nullable=False),
    Column("amr", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("revoked_at", Instant, nullable=True),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("grant_id", String(36), ForeignKey("grants.grant_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("renewed_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=True),
)


class StoredGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that can be renewed."""

    grant_id: str
    user_id: str
    client_id: str
    session_id: str | None
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    auth_time: datetime
    amr: tuple[str, ...]
    terms: Terms
    expires_at: datetime
    """When no refresh can renew it any more."""
    revoked: bool = False


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token as it is kept, with its grant."""

    grant: StoredGrant
    expires_at: datetime
    used_at: datetime | None
    """When it was rotated away."""

    @property
    def used(self) -> bool:
        """Whether it was rotated away."""
        return self.used_at is not None


class LiveGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that its client can still renew."""

    grant_id: str
    client_id: str
    scope: tuple[str, ...]
    begun_at: datetime
    renewed_at: datetime
    """When its client last got tokens of it."""


_FIND = Prepared(
    select(
        *(column for column in grants.c if column is not grants.c.created_at),
        refresh_tokens.c.expires_at.label("token_expires_at"),
        refresh_tokens.c.used_at,
    )
    .join(refresh_tokens, refresh_tokens.c.grant_id == grants.c.grant_id)
    .where(refresh_tokens.c.token_hash == bindparam("token_hash"))
)
_BEGIN = Prepared(grants.insert())
_TERMS = select(grants.c.terms).where(grants.c.grant_id == bindparam("grant_id"))
_RENEW = Prepared(refresh_tokens.insert())
_ROTATE = Prepared(
    update(refresh_tokens)
    .where(refresh_tokens.c.token_hash == bindparam("old"), refresh_tokens.c.used_at.is_(None))
    .values(used_at=bindparam("at"))
)
_PROLONG = Prepared(
    update(refresh_tokens)
    .where(refresh_tokens.c.token_hash == bindparam("kept"), refresh_tokens.c.used_at.is_(None))
    .values(renewed_at=bindparam("at"), expires_at=bindparam("until"))
)
_OLDEST = (
    select(grants.c.grant_id)
    .where(grants.c.expires_at < bindparam("before"))
    .order_by(grants.c.expires_at)
    .limit(bindparam("most"))
)
_FORGET_TOKENS = Prepared(
    delete(refresh_tokens).where(
        refresh_tokens.c.token_hash.in_(
            select(refresh_tokens.c.token_hash).where(refresh_tokens.c.grant_id.in_(_OLDEST)).limit(bindparam("most"))
        )
    )
)
_SWEEP = Sweep(grants.c.expires_at)


def begin(connection: Connection, grant: StoredGrant, *, now: datetime) -> None:
    """Keep a grant, so that refresh tokens can renew it."""
    _BEGIN.run(
        connection,
        grant_id=grant.grant_id,
        user_id=grant.user_id,
        client_id=grant.client_id,
        session_id=grant.session_id,
        scope=" ".join(grant.scope),
        resource=" ".join(grant.resource),
        auth_time=grant.auth_time,
        amr=" ".join(grant.amr),
        terms=to_text(grant.terms),
        created_at=now,
        expires_at=grant.expires_at,
    )


def renew(
    connection: Connection, grant_id: str, *, now: datetime, expires_at: datetime, token: str | None = None
) -> str:
    """Make the next refresh token of a grant, or take `token` for it, and return it; only its hash is kept."""
    token = token or new_token()
    _RENEW.run(connection, token_hash=token_hash(token), grant_id=grant_id, renewed_at=now, expires_at=expires_at)
    return token


def prolong(connection: Connection, token: str, *, now: datetime, expires_at: datetime) -> bool:
    """A refresh token was used and stays: it is good until `expires_at`. False if it was rotated away."""
    return _PROLONG.run(connection, kept=token_hash(token), at=now, until=expires_at) == 1


def find_refresh_token(connection: Connection, token: str) -> RefreshToken | None:
    """Find what a refresh token stands for, used and expired ones included."""
    row = _FIND.first(connection, token_hash=token_hash(token))
    if row is None:
        return None
    grant = StoredGrant(
        grant_id=row.grant_id,
        user_id=row.user_id,
        client_id=row.client_id,
        session_id=row.session_id,
        scope=tuple(row.scope.split()),
        resource=tuple(row.resource.split()),
        auth_time=row.auth_time,
        amr=tuple(row.amr.split()),
        terms=from_text(row.terms),
        expires_at=row.expires_at,
        revoked=row.revoked_at is not None,
    )
    return RefreshToken(grant=grant, expires_at=row.token_expires_at, used_at=row.used_at)


def live_of(connection: Connection, user_id: str, *, now: datetime) -> list[LiveGrant]:
    """The grants of a person that can still be renewed, the oldest first."""
    statement = (
        select(grants, refresh_tokens.c.renewed_at)
        .join(refresh_tokens, refresh_tokens.c.grant_id == grants.c.grant_id)
        .where(
            grants.c.user_id == user_id,
            grants.c.revoked_at.is_(None),
            grants.c.expires_at > now,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.expires_at > now,
        )
        .order_by(grants.c.created_at, grants.c.grant_id)
    )
    return [
        LiveGrant(
            grant_id=row.grant_id,
            client_id=row.client_id,
            scope=tuple(row.scope.split()),
            begun_at=row.created_at,
            renewed_at=row.renewed_at,
        )
        for row in connection.execute(statement)
    ]


def bind(connection: Connection, grant_id: str, confirmation: Confirmation) -> None:
    """Bind a grant that was begun without a key to one: from now on its refresh tokens are good with that only."""
    terms = from_text(connection.execute(_TERMS, {"grant_id": grant_id}).scalar_one())
    bound = to_text(msgspec.structs.replace(terms, confirmation=confirmation))
    connection.execute(update(grants).where(grants.c.grant_id == grant_id).values(terms=bound))


def rotate(connection: Connection, token: str, *, now: datetime) -> bool:
    """Consume a refresh token. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    return _ROTATE.run(connection, old=token_hash(token), at=now) == 1


def revoke(connection: Connection, grant_id: str, at: datetime) -> None:
    """End a grant; what is ended stays as it is."""
    connection.execute(
        update(grants).where(grants.c.grant_id == grant_id, grants.c.revoked_at.is_(None)).values(revoked_at=at)
    )


def revoke_of_session(connection: Connection, session_id: str, at: datetime) -> None:
    """End the grants of one sign-in."""
    connection.execute(
        update(grants).where(grants.c.session_id == session_id, grants.c.revoked_at.is_(None)).values(revoked_at=at)
    )


def revoke_of_user(connection: Connection, user_id: str, at: datetime) -> None:
    """End the grants of one person."""
    connection.execute(
        update(grants).where(grants.c.user_id == user_id, grants.c.revoked_at.is_(None)).values(revoked_at=at)
    )


def revoke_of_client(connection: Connection, client_id: str, at: datetime) -> None:
    """End the grants to one client."""
    connection.execute(
        update(grants).where(grants.c.client_id == client_id, grants.c.revoked_at.is_(None)).values(revoked_at=at)
    )


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete the refresh tokens of grants that nothing can renew any more, then these grants, up to so many rows of
    both together; return how many.

    A family that rotated for months has thousands of tokens: left to `ON DELETE CASCADE`, they would go at once.
    """
    forgotten = _FORGET_TOKENS.run(connection, before=now, most=limit)
    return forgotten + _SWEEP.run(connection, before=now, limit=limit - forgotten)
