"""The ring of signing keys in memory: signs, verifies what it signed, and publishes the public halves."""

from datetime import datetime

import msgspec

from auth_svc.db import Connection, Ledger
from auth_svc.keys import jose, store
from auth_svc.keys.rotation import KeyRotation


class UnverifiedTokenError(Exception):
    """Not a token of ours: malformed, of another type, from an unknown or distrusted key, or a wrong signature."""


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str = ""


class _Key:
    def __init__(self, stored: store.StoredKey, private: jose.PrivateKey) -> None:
        self.stored = stored
        self.private = private
        self.public = private.public_key()
        self._headers: dict[str, bytes] = {}

    def header(self, typ: str) -> bytes:
        """The protected header, encoded once for each type."""
        encoded = self._headers.get(typ)
        if encoded is None:
            parts = {"alg": self.stored.algorithm, "typ": typ, "kid": self.stored.key_id}
            encoded = self._headers[typ] = jose.encode64(msgspec.json.encode(parts)) + b"."
        return encoded


class KeyRing:
    """Every trusted key, and which of them signs."""

    def __init__(self, ledger: Ledger, rotation: KeyRotation) -> None:
        self._ledger = ledger
        self._rotation = rotation
        self._keys: dict[str, _Key] = {}
        self._signers: dict[str, _Key] = {}
        self._next_change: datetime | None = None
        self.jwks = b'{"keys":[]}'
        """The body of /jwks, built once for each change."""
        self.version = 0
        """Goes up with each change of the keys: what was verified under another one is to be verified again."""

    async def reload(self) -> bool:
        """Load the keys again if they changed, and make what is missing; True if they did change."""
        stored = await self._ledger.database.read(store.everything)
        missing = [name for name in store.ALGORITHMS if not any(_signs(key, name) for key in stored)]
        if missing:
            made = {name: jose.generate(name) for name in missing}
            await self._ledger.database.work(lambda connection: self._complete(connection, made))
            stored = await self._ledger.database.read(store.everything)
        stored = [key for key in stored if not key.distrusted]
        changed = {key.key_id for key in stored} != set(self._keys)
        if changed:
            self._keys = {
                key.key_id: self._keys.get(key.key_id) or _Key(key, self._rotation.unseal(key)) for key in stored
            }
            self.jwks = b'{"keys":[%s]}' % b",".join(key.stored.public_jwk.encode() for key in self._keys.values())
            self.version += 1
        self._choose(self._ledger.now())
        return changed

    def sign(self, algorithm: str, typ: str, claims: bytes) -> str:
        """Make a compact JWS (RFC 7515 section 7.1) of JSON claims with the key that signs now."""
        if self._next_change is not None and self._ledger.now() >= self._next_change:
            self._choose(self._ledger.now())
        key = self._signers[algorithm]
        signed = key.header(typ) + jose.encode64(claims)
        return (signed + b"." + jose.encode64(jose.sign(key.private, algorithm, signed))).decode()

    def verify(self, token: str, *, typ: str) -> bytes:
        """Return the claims of a token that this ring signed, as JSON. Times and audience are not looked at.

        Raises:
            UnverifiedTokenError: it is not one.
        """
        try:
            signed, _, signature = token.encode("ascii").rpartition(b".")
            header, _, payload = signed.partition(b".")
            found = msgspec.json.decode(jose.decode64(header), type=_Header)
            key = self._keys[found.kid]
            if found.typ != typ or found.alg != key.stored.algorithm:
                raise UnverifiedTokenError("another type or algorithm")
            if not jose.verify(key.public, jose.decode64(signature), signed, found.alg):
                raise UnverifiedTokenError("wrong signature")
            return jose.decode64(payload)
        except (ValueError, KeyError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
            raise UnverifiedTokenError("not a token of ours") from error

    def _complete(self, connection: Connection, made: dict[str, jose.PrivateKey]) -> None:
        # Asked again inside the unit of work: of two processes that start together, one adds its keys.
        stored = store.everything(connection)
        for algorithm, private in made.items():
            if not any(_signs(key, algorithm) for key in stored):
                self._rotation.add(connection, private, algorithm, active_at=self._ledger.now())

    def _choose(self, now: datetime) -> None:
        active: dict[str, _Key] = {}
        upcoming: list[datetime] = []
        for key in self._keys.values():
            if key.stored.active_at <= now or key.stored.algorithm not in active:
                active[key.stored.algorithm] = key
            if key.stored.active_at > now:
                upcoming.append(key.stored.active_at)
        self._signers = active
        self._next_change = min(upcoming, default=None)


def _signs(key: store.StoredKey, algorithm: str) -> bool:
    return key.algorithm == algorithm and not key.distrusted
