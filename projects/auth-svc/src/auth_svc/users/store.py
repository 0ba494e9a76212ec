"""The table of users."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, String, Table, Text, bindparam, func, or_, select, update
from sqlalchemy.engine import Row

from auth_svc.db import Connection, Instant, metadata
from lib_one.sql import Prepared

users = Table(
    "users",
    metadata,
    Column("user_id", String(36), primary_key=True),
    Column("username", String(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("disabled_at", Instant, nullable=True),
    Column("sign_in_again_at", Instant, nullable=True),
)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person with an account."""

    user_id: str
    """UUIDv7; the `sub` of every token about this person, never given to anybody else."""
    username: str
    name: str
    email: str
    roles: tuple[str, ...]
    disabled: bool
    sign_in_again_at: datetime | None
    """Sign-ins up to this moment are void."""
    updated_at: datetime

    def may_continue(self, signed_in_at: datetime) -> bool:
        """Whether a sign-in at that time still counts: the account is open, and nobody ended its sign-ins since."""
        return not self.disabled and (self.sign_in_again_at is None or signed_in_at > self.sign_in_again_at)


_BY_ID = Prepared(
    select(
        users.c.user_id,
        users.c.username,
        users.c.name,
        users.c.email,
        users.c.roles,
        users.c.disabled_at,
        users.c.sign_in_again_at,
        users.c.updated_at,
    ).where(users.c.user_id == bindparam("user_id"))
)
_CLOSED = Prepared(
    select(users.c.user_id).where(users.c.user_id == bindparam("user_id"), users.c.disabled_at.is_not(None))
)
_BY_NAME = select(users).where(users.c.username == bindparam("username"))


def find(connection: Connection, user_id: str) -> User | None:
    """Find a person by id, disabled ones included."""
    row = _BY_ID.first(connection, user_id=user_id)
    return None if row is None else _user(row)


def is_closed(connection: Connection, user_id: str) -> bool:
    """Whether the account with this id is disabled; cheaper than to read it."""
    return _CLOSED.first(connection, user_id=user_id) is not None


def find_by_username(connection: Connection, username: str) -> User | None:
    """Find a person by user name (lower or upper case does not matter), disabled ones included."""
    row = connection.execute(_BY_NAME, {"username": username.casefold()}).first()
    return None if row is None else _user(row)


def ids_by_email(connection: Connection, email: str) -> list[str]:
    """The ids of all people with this e-mail address, lower or upper case. It reads the whole table."""
    statement = select(users.c.user_id).where(func.lower(users.c.email) == email.lower())
    return list(connection.execute(statement).scalars())


def password_of(connection: Connection, username: str) -> tuple[User, str] | None:
    """Find a person with the hash of the password."""
    row = connection.execute(_BY_NAME, {"username": username.casefold()}).first()
    return None if row is None else (_user(row), row.password_hash)


def everyone(connection: Connection) -> list[User]:
    """All people by user name."""
    return [_user(row) for row in connection.execute(select(users).order_by(users.c.username))]


def add(connection: Connection, user: User, *, password_hash: str) -> None:
    """Add a person."""
    connection.execute(
        users.insert().values(
            user_id=user.user_id,
            username=user.username,
            name=user.name,
            email=user.email,
            password_hash=password_hash,
            roles=" ".join(user.roles),
            created_at=user.updated_at,
            updated_at=user.updated_at,
        )
    )


def change(connection: Connection, user: User, *, password_hash: str | None = None) -> None:
    """Write what may change of a person: name, e-mail address, roles, and the password if one is given."""
    statement = (
        update(users)
        .where(users.c.user_id == user.user_id)
        .values(name=user.name, email=user.email, roles=" ".join(user.roles), updated_at=user.updated_at)
    )
    if password_hash is not None:
        statement = statement.values(password_hash=password_hash)
    connection.execute(statement)


def disable(connection: Connection, user_id: str, at: datetime) -> bool:
    """Close an account; False if it was closed."""
    statement = update(users).where(users.c.user_id == user_id, users.c.disabled_at.is_(None))
    return connection.execute(statement.values(disabled_at=at)).rowcount == 1


def enable(connection: Connection, user_id: str) -> bool:
    """Open a closed account; False if it was open."""
    statement = update(users).where(users.c.user_id == user_id, users.c.disabled_at.is_not(None))
    return connection.execute(statement.values(disabled_at=None)).rowcount == 1


def empty(connection: Connection, user_id: str, at: datetime) -> None:
    """Close an account for good: nothing about the person is left, and no password fits."""
    # A name that begins with a space is nobody's: whoever knew the id could take any other before.
    nothing = {"username": f" deleted {user_id}", "name": "", "email": "", "roles": "", "password_hash": ""}
    connection.execute(update(users).where(users.c.user_id == user_id).values(**nothing, updated_at=at, disabled_at=at))


def end_sign_ins(connection: Connection, user_id: str, at: datetime) -> None:
    """Sign-ins up to `at` no longer count; nor do those up to a later moment that was named before."""
    earlier = or_(users.c.sign_in_again_at.is_(None), users.c.sign_in_again_at < at)
    connection.execute(update(users).where(users.c.user_id == user_id, earlier).values(sign_in_again_at=at))


def count(connection: Connection) -> int:
    """How many people there are."""
    return connection.execute(select(func.count()).select_from(users)).scalar_one()


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(
        user_id=row.user_id,
        username=row.username,
        name=row.name,
        email=row.email,
        roles=tuple(row.roles.split()),
        disabled=row.disabled_at is not None,
        sign_in_again_at=row.sign_in_again_at,
        updated_at=row.updated_at,
    )
