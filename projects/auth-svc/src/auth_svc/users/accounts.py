"""Accounts by the operator: who may exist, and the verbs to add and change a person."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from argon2.exceptions import InvalidHashError, VerificationError

from auth_svc.db import Connection, Ledger
from auth_svc.resources import Resources
from auth_svc.users import store
from auth_svc.users.passwords import LONGEST_PASSWORD, LONGEST_USERNAME, SHORTEST_PASSWORD, argon2id, is_text
from lib_one.contracts.auth import (
    PasswordChanged,
    UserChanged,
    UserDeleted,
    UserDisabled,
    UserEnabled,
    UserRegistered,
)
from lib_one.event import new_id

_TOLD: Final = ("name", "email", "roles")
"""What may change and is told about a person."""


class AccountError(Exception):
    """This account cannot be; `problem` says why, the message whose it is as well."""

    def __init__(self, username: str, problem: str) -> None:
        super().__init__(f"user {username[:70]!r}: {problem}")
        self.problem = problem


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator or a seed file says about a person."""

    username: str
    """What is typed at sign-in; lower and upper case are the same."""
    name: str
    email: str
    roles: tuple[str, ...]
    password: str


def hash_password(username: str, password: str, *, known_hash: str | None = None) -> str:
    """Hash this person's password; `known_hash` is returned if it is of this password already.

    Raises:
        AccountError: the password is too short or too long, or no text.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        _refuse(username, [f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"])
    if not is_text(password):
        _refuse(username, ["the password has characters that cannot be written"])
    hasher = argon2id()
    if known_hash is not None:
        with suppress(VerificationError, InvalidHashError):
            hasher.verify(known_hash, password)
            if not hasher.check_needs_rehash(known_hash):
                return known_hash
    return hasher.hash(password)


class Accounts:
    """Adds, changes, closes and opens accounts.

    Hashing a password takes tens of milliseconds, so it happens before the unit of work: `hash_password` first, then
    the verb with its result. Whoever closes an account or changes its password or roles revokes what was issued, in
    the same unit of work.
    """

    def __init__(self, ledger: Ledger, resources: Resources) -> None:
        self._ledger = ledger
        self._resources = resources

    def add(self, connection: Connection, profile: Profile, *, password_hash: str) -> str:
        """Add a person and return the new id.

        Raises:
            AccountError: the user name is taken, or the profile cannot be.
        """
        _refuse(profile.username, _problems(profile, self._resources.read(connection).roles))
        if store.find_by_username(connection, profile.username) is not None:
            raise AccountError(profile.username, "the user name is taken")
        user = store.User(
            user_id=new_id(),
            username=profile.username.casefold(),
            name=profile.name,
            email=profile.email,
            roles=profile.roles,
            disabled=False,
            sign_in_again_at=None,
            updated_at=self._ledger.now(),
        )
        store.add(connection, user, password_hash=password_hash)
        self._ledger.outbox.record(
            connection, UserRegistered(user_id=user.user_id, username=user.username, roles=user.roles)
        )
        return user.user_id

    def ensure(self, connection: Connection, profile: Profile, *, password_hash: str) -> str | None:
        """Make the person be as described, new or changed.

        Returns the id of a person whose password or roles were others: what was issued to them is to be revoked.

        Raises:
            AccountError: the profile cannot be.
        """
        found = store.password_of(connection, profile.username)
        if found is None:
            self.add(connection, profile, password_hash=password_hash)
            return None
        _refuse(profile.username, _problems(profile, self._resources.read(connection).roles))
        known, known_hash = found
        wanted = msgspec.structs.replace(known, name=profile.name, email=profile.email, roles=profile.roles)
        if wanted == known and known_hash == password_hash:
            return None
        self._change(connection, known, wanted, password_hash=None if password_hash == known_hash else password_hash)
        return None if set(wanted.roles) == set(known.roles) and known_hash == password_hash else known.user_id

    def set_password(self, connection: Connection, user: store.User, *, password_hash: str) -> None:
        """Give a person another password."""
        self._change(connection, user, user, password_hash=password_hash)

    def set_roles(self, connection: Connection, user: store.User, roles: Sequence[str]) -> None:
        """Give a person these roles and no others.

        Raises:
            AccountError: there is no such role.
        """
        _refuse(user.username, _unknown(roles, self._resources.read(connection).roles))
        self._change(connection, user, msgspec.structs.replace(user, roles=tuple(dict.fromkeys(roles))))

    def disable(self, connection: Connection, user_id: str) -> bool:
        """Close an account; False if it was closed."""
        done = store.disable(connection, user_id, self._ledger.now())
        if done:
            self._ledger.outbox.record(connection, UserDisabled(user_id=user_id))
        return done

    def enable(self, connection: Connection, user_id: str) -> bool:
        """Open a closed account; False if it was open. What was revoked stays so."""
        done = store.enable(connection, user_id)
        if done:
            self._ledger.outbox.record(connection, UserEnabled(user_id=user_id))
        return done

    def delete(self, connection: Connection, user: store.User) -> None:
        """Forget a person. The id stays taken, so that nobody else is ever meant by it; the user name is free again."""
        store.empty(connection, user.user_id, self._ledger.now())
        self._ledger.outbox.record(connection, UserDeleted(user_id=user.user_id))

    def _change(
        self, connection: Connection, known: store.User, wanted: store.User, *, password_hash: str | None = None
    ) -> None:
        changed = msgspec.structs.replace(wanted, updated_at=self._ledger.now())
        store.change(connection, changed, password_hash=password_hash)
        claims = tuple(name for name in _TOLD if getattr(known, name) != getattr(wanted, name))
        if claims:
            self._ledger.outbox.record(connection, UserChanged(user_id=known.user_id, claims=claims))
        if password_hash is not None:
            self._ledger.outbox.record(connection, PasswordChanged(user_id=known.user_id))


def _refuse(username: str, problems: Iterable[str]) -> None:
    found = "; ".join(problems)
    if found:
        raise AccountError(username, found)


def _problems(profile: Profile, roles: Collection[str]) -> Iterable[str]:
    if not 0 < len(profile.username) <= LONGEST_USERNAME or not profile.username.isprintable():
        yield f"a user name has 1 to {LONGEST_USERNAME} printable characters"
    if profile.username != profile.username.strip() or "\0" in profile.name + profile.email:
        yield "spaces around the user name, or a null byte"
    if not profile.name.strip():
        yield "the name is empty"
    yield from _unknown(profile.roles, roles)


def _unknown(roles: Iterable[str], known: Collection[str]) -> Iterable[str]:
    for unknown in sorted(set(roles) - set(known)):
        yield f"unknown role {unknown!r}"
