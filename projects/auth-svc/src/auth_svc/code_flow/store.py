"""Tables of authorization codes, of requests that were answered, and of pushed ones."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import (
    Column,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    Text,
    and_,
    bindparam,
    or_,
    select,
    update,
)

from auth_svc import grants
from auth_svc.code_flow.code import Code
from auth_svc.code_flow.request import AuthorizationRequest
from auth_svc.db import Connection, Instant, metadata
from auth_svc.secret_key import token_hash
from lib_one.sql import InsertOnce, Prepared, Sweep

codes = Table(
    "authorization_codes",
    metadata,
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("code_challenge", String(43), nullable=False),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False),
    Column("session_id", String(36), nullable=False),
    Column("grant_id", String(36), nullable=False),
    Column("auth_time", Instant, nullable=False),
    Column("amr", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("nonce", Text, nullable=True),
    Column("resource", Text, nullable=False),
    Column("terms", Text, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant, nullable=True),
)

answered_requests = Table(
    "answered_requests",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("answered_at", Instant, nullable=False, index=True),
)

pushed_requests = Table(
    "pushed_requests",
    metadata,
    Column("request_hash", LargeBinary(32), primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant, nullable=True),
)

KEPT = timedelta(days=1)
"""How long used codes and answers are remembered: a copy of a code that comes back later is unknown, and so refused.
A pushed request that was taken has its content read from here until its person has decided."""

_FIND = Prepared(select(codes).where(codes.c.code_hash == bindparam("hash")))
_CONSUME = Prepared(
    update(codes)
    .where(codes.c.code_hash == bindparam("hash"), codes.c.used_at.is_(None), codes.c.expires_at > bindparam("now"))
    .values(used_at=bindparam("now"))
)
_KEEP_PUSHED = Prepared(pushed_requests.insert())
_TAKE = (
    update(pushed_requests)
    .where(
        pushed_requests.c.request_hash == bindparam("hash"),
        pushed_requests.c.client_id == bindparam("client"),
        pushed_requests.c.used_at.is_(None),
        pushed_requests.c.expires_at > bindparam("now"),
    )
    .values(used_at=bindparam("now"))
)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuthorizationRequest).decode
_ANSWER = InsertOnce(answered_requests)
_SWEEP = Sweep(codes.c.expires_at, answered_requests.c.answered_at, pushed_requests.c.expires_at)


def keep(connection: Connection, code: Code, *, secret: str) -> None:
    """Keep a code; of what the client gets only the hash."""
    connection.execute(
        codes.insert().values(
            code_hash=token_hash(secret),
            client_id=code.client_id,
            redirect_uri=code.redirect_uri,
            code_challenge=code.code_challenge,
            user_id=code.user_id,
            session_id=code.session_id,
            grant_id=code.grant_id,
            auth_time=code.auth_time,
            amr=" ".join(code.amr),
            scope=" ".join(code.scope),
            nonce=code.nonce,
            resource=" ".join(code.resource),
            terms=grants.to_text(code.terms),
            expires_at=code.expires_at,
        )
    )


def find(connection: Connection, secret: str) -> Code | None:
    """Find a code, used and expired ones included."""
    row = _FIND.first(connection, hash=token_hash(secret))
    if row is None:
        return None
    return Code(
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        code_challenge=row.code_challenge,
        user_id=row.user_id,
        session_id=row.session_id,
        grant_id=row.grant_id,
        auth_time=row.auth_time,
        amr=tuple(row.amr.split()),
        scope=tuple(row.scope.split()),
        nonce=row.nonce,
        resource=tuple(row.resource.split()),
        terms=grants.from_text(row.terms),
        expires_at=row.expires_at,
        used=row.used_at is not None,
    )


def consume(connection: Connection, secret: str, *, now: datetime) -> bool:
    """Use a live code up. Of several at once exactly one gets True, on SQLite and on PostgreSQL."""
    return _CONSUME.run(connection, hash=token_hash(secret), now=now) == 1


def withdraw(connection: Connection, *, user_id: str, client_id: str, since: datetime, now: datetime) -> list[str]:
    """Use up the codes that this client has not redeemed for this person yet.

    Returns the ids of their grants, and of those of the codes that were redeemed after `since`.
    """
    theirs = and_(codes.c.user_id == user_id, codes.c.client_id == client_id)
    live = and_(codes.c.used_at.is_(None), codes.c.expires_at > now)
    held = connection.execute(select(codes.c.grant_id).where(theirs, or_(live, codes.c.used_at > since)))
    found = list(held.scalars())
    connection.execute(update(codes).where(theirs, live).values(used_at=now))
    return found


def answer(connection: Connection, request_id: str, *, now: datetime) -> bool:
    """Mark a request as answered by its person; False if it was before."""
    return _ANSWER.run(connection, request_id=request_id, answered_at=now)


def keep_pushed(connection: Connection, asked: AuthorizationRequest, *, hashed: bytes, expires_at: datetime) -> None:
    """Keep a request that was pushed; of its reference only the hash."""
    _KEEP_PUSHED.run(
        connection,
        request_hash=hashed,
        client_id=asked.client_id,
        request=_encode(asked).decode(),
        expires_at=expires_at,
    )


def take_pushed(connection: Connection, hashed: bytes, *, client_id: str, now: datetime) -> bool:
    """Use a pushed request up, for the client that pushed it. Of several at once exactly one gets True."""
    return connection.execute(_TAKE, {"hash": hashed, "client": client_id, "now": now}).rowcount == 1


def find_taken(connection: Connection, hashed: bytes) -> AuthorizationRequest | None:
    """Find a pushed request that was taken; it counts as asked when its person came with it."""
    row = connection.execute(select(pushed_requests).where(pushed_requests.c.request_hash == hashed)).first()
    if row is None or row.used_at is None:
        return None
    return msgspec.structs.replace(_decode(row.request), asked_at=row.used_at)


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete what no longer matters, up to so many; return how many."""
    return _SWEEP.run(connection, before=now - KEPT, limit=limit)
