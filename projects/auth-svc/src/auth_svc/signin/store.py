"""Tables of sessions, remembered consents and limits on guessing."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, Text, bindparam, delete, select, update
from sqlalchemy.engine import Row

from auth_svc import users
from auth_svc.db import Connection, Instant, metadata
from auth_svc.secret_key import token_hash
from auth_svc.signin.flow import Limit, Session, SignedIn
from lib_one.sql import Prepared, Sweep

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", String(36), primary_key=True),
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", String(36), ForeignKey("users.user_id"), nullable=False, index=True),
    Column("auth_time", Instant, nullable=False),
    Column("amr", Text, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("ended_at", Instant, nullable=True),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", String(36), ForeignKey("users.user_id"), primary_key=True),
    Column("client_id", String(128), ForeignKey("clients.client_id"), primary_key=True),
    Column("scope", String(128), primary_key=True),
    Column("granted_at", Instant, nullable=False),
)

attempt_limits = Table(
    "attempt_limits",
    metadata,
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("drained_until", Instant, nullable=False, index=True),
)

_BY_SECRET = select(sessions).where(sessions.c.secret_hash == bindparam("secret_hash"))
_BY_ID = Prepared(select(sessions).where(sessions.c.session_id == bindparam("session_id")))


class Consent(NamedTuple):
    """One scope that a person has allowed a client, remembered."""

    client_id: str
    scope: str
    granted_at: datetime


class TooManyAttempts(Exception):  # noqa: N818 - an answer, not a fault
    """A limit is drained. Nothing was taken from any other one either."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"wait {wait}")
        self.wait = wait


# --- sessions -------------------------------------------------------------------------------------------------------
_SWEEP = Sweep(sessions.c.expires_at, attempt_limits.c.drained_until)


def start_session(connection: Connection, session: Session, *, secret: str) -> None:
    """Keep a session; of its secret only the hash."""
    connection.execute(
        sessions.insert().values(
            session_id=session.session_id,
            secret_hash=token_hash(secret),
            user_id=session.user_id,
            auth_time=session.auth_time,
            amr=" ".join(session.amr),
            expires_at=session.expires_at,
        )
    )


def confirm_session(connection: Connection, session: Session, *, secret: str) -> bool:
    """The same person signed in again in the same browser: a new secret and time, the old secret is void.

    False if the session was ended meanwhile.
    """
    statement = (
        update(sessions)
        .where(sessions.c.session_id == session.session_id, sessions.c.ended_at.is_(None))
        .values(
            secret_hash=token_hash(secret),
            auth_time=session.auth_time,
            amr=" ".join(session.amr),
            expires_at=session.expires_at,
        )
    )
    return connection.execute(statement).rowcount == 1


def find_session(connection: Connection, secret: str, *, now: datetime) -> SignedIn | None:
    """The live session with this secret, and its person."""
    return _signed_in(connection, connection.execute(_BY_SECRET, {"secret_hash": token_hash(secret)}).first(), now)


def is_live(connection: Connection, session_id: str, *, now: datetime) -> bool:
    """Whether this session is neither ended nor expired, and its person may continue."""
    return _signed_in(connection, _BY_ID.first(connection, session_id=session_id), now) is not None


def session_with_id(connection: Connection, session_id: str) -> Session | None:
    """Find a session by its id, whether it is over or not."""
    row = _BY_ID.first(connection, session_id=session_id)
    return None if row is None else _session(row)


def end_session(connection: Connection, session_id: str, *, now: datetime) -> bool:
    """End a session. Of several at once exactly one gets True."""
    statement = update(sessions).where(sessions.c.session_id == session_id, sessions.c.ended_at.is_(None))
    return connection.execute(statement.values(ended_at=now)).rowcount == 1


# --- consents -------------------------------------------------------------------------------------------------------


def consented_scopes(connection: Connection, *, user_id: str, client_id: str) -> frozenset[str]:
    """The scopes that a person has allowed a client before."""
    statement = select(consents.c.scope).where(consents.c.user_id == user_id, consents.c.client_id == client_id)
    return frozenset(connection.execute(statement).scalars())


def remember_consent(
    connection: Connection, *, user_id: str, client_id: str, scopes: Iterable[str], now: datetime
) -> None:
    """Remember that a person has allowed a client these scopes, beside those from before."""
    new = set(scopes) - consented_scopes(connection, user_id=user_id, client_id=client_id)
    if new:
        connection.execute(
            consents.insert(),
            [{"user_id": user_id, "client_id": client_id, "scope": scope, "granted_at": now} for scope in sorted(new)],
        )


def consents_of(connection: Connection, user_id: str) -> list[Consent]:
    """Every consent of a person that is remembered."""
    statement = select(consents.c.client_id, consents.c.scope, consents.c.granted_at).where(
        consents.c.user_id == user_id
    )
    return [Consent(row.client_id, row.scope, row.granted_at) for row in connection.execute(statement)]


def forget_consents(connection: Connection, *, user_id: str, client_id: str) -> None:
    """The client has to ask this person again."""
    connection.execute(delete(consents).where(consents.c.user_id == user_id, consents.c.client_id == client_id))


# --- limits ---------------------------------------------------------------------------------------------------------


def take_attempt(connection: Connection, limits: Iterable[tuple[bytes, Limit]], *, now: datetime) -> None:
    """Take one attempt from each of these limits *before* the guess is checked, so that parallel guesses all count.

    Units of work see each other one after the other, so reading and then writing is safe here.

    Raises:
        TooManyAttempts: one of them is drained.
    """
    for key_hash, limit in limits:
        key = attempt_limits.c.key_hash == key_hash
        drained_until = connection.execute(select(attempt_limits.c.drained_until).where(key)).scalar()
        taken = limit.take(drained_until, now)
        if isinstance(taken, timedelta):
            raise TooManyAttempts(taken)
        if drained_until is None:
            connection.execute(attempt_limits.insert().values(key_hash=key_hash, drained_until=taken))
        else:
            connection.execute(update(attempt_limits).where(key).values(drained_until=taken))


def give_back_attempt(connection: Connection, limits: Iterable[tuple[bytes, Limit]]) -> None:
    """The guess was right: only failures count."""
    for key_hash, limit in limits:
        key = attempt_limits.c.key_hash == key_hash
        drained_until = connection.execute(select(attempt_limits.c.drained_until).where(key)).scalar()
        if drained_until is not None:
            connection.execute(update(attempt_limits).where(key).values(drained_until=drained_until - limit.interval))


def forget_expired(connection: Connection, now: datetime, limit: int) -> int:
    """Delete sessions that are over and limits that are whole again, up to so many; return how many."""
    return _SWEEP.run(connection, before=now, limit=limit)


def _signed_in(connection: Connection, row: Row[Any] | None, now: datetime) -> SignedIn | None:
    if row is None:
        return None
    session = _session(row)
    if row.ended_at is not None or session.expires_at <= now:
        return None
    user = users.find(connection, session.user_id)
    if user is None or not user.may_continue(session.auth_time):
        return None
    return SignedIn(session, user)


def _session(row: Row[Any]) -> Session:
    return Session(
        session_id=row.session_id,
        user_id=row.user_id,
        auth_time=row.auth_time,
        amr=tuple(row.amr.split()),
        expires_at=row.expires_at,
    )
