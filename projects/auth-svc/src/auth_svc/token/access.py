"""Access tokens that come back: read, and checked for everything that can have ended them."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from auth_svc import revocation, subjects, users
from auth_svc.db import Connection, Ledger
from auth_svc.keys import KeyRing, UnverifiedTokenError
from auth_svc.token import store
from auth_svc.token.issuer import AccessClaims

_SEEN = 4096
"""Tokens that were read before are remembered, up to so many: some 4 MB. What has ended one is asked each time."""


class _Ask(Protocol):
    """How the database is asked: from the event loop, or by the connection of a unit of work."""

    def __call__[T](self, fn: Callable[[Connection], T], /) -> T: ...


class Traced(Protocol):
    """What of an access token tells where it came from."""

    @property
    def jti(self) -> str: ...
    @property
    def subject_id(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def grant_id(self) -> str | None: ...
    @property
    def sid(self) -> str | None: ...
    @property
    def iat(self) -> int: ...
    @property
    def exp(self) -> int: ...


class AccessTokens:
    """Reads access tokens of this issuer, JWTs and opaque ones."""

    def __init__(self, ledger: Ledger, keys: KeyRing, *, issuer: str) -> None:
        self._ledger = ledger
        self._keys = keys
        self._issuer = issuer
        self._decode = msgspec.json.Decoder(AccessClaims).decode
        self._seen: dict[str, AccessClaims] = {}
        self._version = keys.version

    def read(self, token: str) -> AccessClaims | None:
        """Return the claims of a token of this issuer, expired ones included; None for anything else.

        On the event loop; inside a unit of work it is `shown`.
        """
        return self._read(token, self._ledger.database.lookup)

    def _read(self, token: str, ask: _Ask) -> AccessClaims | None:
        if self._version != self._keys.version:
            self._seen.clear()
            self._version = self._keys.version
        claims = self._seen.get(token)
        if claims is None:
            try:
                claims = self._decode(self._meaning(token, ask))
            except (UnverifiedTokenError, msgspec.DecodeError):
                return None
            if claims.iss != self._issuer:
                return None
            if claims.grant_id is not None and subjects.could_be_pairwise(claims.sub):
                known = claims.sub
                user_id = ask(lambda connection: subjects.user_of(connection, known))
                claims = msgspec.structs.replace(claims, user_id=user_id)
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            self._seen[token] = claims
        return claims

    def _meaning(self, token: str, ask: _Ask) -> bytes:
        if "." in token:
            return self._keys.verify(token, typ="at+jwt")
        found = ask(lambda connection: store.find(connection, token))
        if found is None:
            raise UnverifiedTokenError("no token of ours")
        return found

    def shown(self, connection: Connection, token: str) -> AccessClaims | None:
        """Return the claims of a token that is good right now, inside a unit of work; None for anything else."""

        def ask[T](fn: Callable[[Connection], T]) -> T:
            return fn(connection)

        claims = self._read(token, ask)
        if claims is None or claims.exp <= self._ledger.now().timestamp() or not _stands(connection, claims):
            return None
        return claims

    def live(self, claims: Traced) -> bool:
        """Whether it is good right now: not expired, and nothing that it came from was revoked."""
        if claims.exp <= self._ledger.now().timestamp():
            return False
        return self._ledger.database.lookup(lambda connection: _stands(connection, claims))


def _stands(connection: Connection, claims: Traced) -> bool:
    if claims.grant_id is not None and users.is_closed(connection, claims.subject_id):
        return False
    return not revocation.is_revoked(
        connection,
        token_id=claims.jti,
        grant_id=claims.grant_id,
        session_id=claims.sid,
        subject=claims.subject_id,
        client_id=claims.client_id,
        issued_at=claims.iat,
    )
