"""The life of a signing key: announced, signing, superseded, retired. What happens to keys is an event each time.

announced    published, and signs from `active_at` on: by then every cache of /jwks has it (OIDC Core 10.1.1)
signing      the youngest active key of its algorithm
superseded   another one signs; it stays published as long as something that it signed is of use
retired      forgotten
distrusted   lost to a stranger: nothing that it signed counts (see `revocation`)
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from auth_svc.db import Connection, Ledger
from auth_svc.keys import jose, store
from auth_svc.keys.store import StoredKey
from auth_svc.secret_key import SecretKey
from lib_one.contracts.keys import SigningKeyAnnounced, SigningKeyRetired

_PURPOSE = "signing keys"
ANNOUNCED = timedelta(minutes=15)
"""A new key is published this long before it signs: caches of /jwks have it by then."""


class SigningKeyError(Exception):
    """What an operator wants of a key cannot be."""


class Phase(StrEnum):
    """Where a key is in its life."""

    ANNOUNCED = "announced"
    SIGNING = "signing"
    SUPERSEDED = "superseded"
    DISTRUSTED = "distrusted"


class LifeOfKey(msgspec.Struct, frozen=True):
    """A key, where it is in its life, and since when; an announced one: from when it signs."""

    key: StoredKey
    phase: Phase
    since: datetime | None = None


def lives(keys: Sequence[StoredKey], now: datetime) -> list[LifeOfKey]:
    """Where each of these keys is in its life; they come as `store.everything` gives them, oldest first."""
    found: list[LifeOfKey] = []
    successors: dict[str, datetime] = {}
    for key in reversed(keys):
        if key.distrusted:
            found.append(LifeOfKey(key, Phase.DISTRUSTED))
        elif key.active_at > now:
            found.append(LifeOfKey(key, Phase.ANNOUNCED, key.active_at))
        elif key.algorithm in successors:
            found.append(LifeOfKey(key, Phase.SUPERSEDED, successors[key.algorithm]))
            successors[key.algorithm] = key.active_at
        else:
            found.append(LifeOfKey(key, Phase.SIGNING, key.active_at))
            successors[key.algorithm] = key.active_at
    return found[::-1]


class KeyRotation:
    """Adds and retires keys. Every verb is a plain function of a connection, to be part of a larger unit of work."""

    def __init__(self, ledger: Ledger, secret: SecretKey, *, last_use: timedelta) -> None:
        """`last_use`: how long something that a key has signed can be of use."""
        self._ledger = ledger
        self._secret = secret
        # A process that did not hear of an immediate rotation yet signs with the old key a little longer.
        self._kept = last_use + ANNOUNCED

    def add(self, connection: Connection, private: jose.PrivateKey, algorithm: str, *, active_at: datetime) -> str:
        """Keep a key that signs from `active_at`; return its id.

        Raises:
            SigningKeyError: it is there already, or was.
        """
        key_id, jwk = jose.thumbprint_and_jwk(private.public_key(), algorithm)
        if any(key.key_id == key_id for key in store.everything(connection)):
            raise SigningKeyError(f"the key {key_id} is there already: see `auth-svc keys list`")
        key = StoredKey(
            key_id=key_id,
            algorithm=algorithm,
            private_key_sealed=self._secret.seal(jose.to_bytes(private), purpose=_PURPOSE),
            public_jwk=msgspec.json.encode(jwk).decode(),
            active_at=active_at,
        )
        store.add(connection, key, now=self._ledger.now())
        self._ledger.outbox.record(
            connection, SigningKeyAnnounced(key_id=key_id, algorithm=algorithm, active_at=active_at)
        )
        return key_id

    def unseal(self, key: StoredKey) -> jose.PrivateKey:
        """Return the private key of a key at rest.

        Raises:
            SecretKeyError: the master secret is another one.
        """
        return jose.from_bytes(self._secret.unseal(key.private_key_sealed, purpose=_PURPOSE))

    def retires_at(self, life: LifeOfKey) -> datetime | None:
        """When a superseded key retires; None for others."""
        return life.since + self._kept if life.phase is Phase.SUPERSEDED and life.since is not None else None

    def retire(self, connection: Connection, key_id: str) -> None:
        """Forget a key that has never signed, or whose last token has expired.

        Raises:
            SigningKeyError: there is no such key, it signs, or something that it signed is still good.
        """
        now = self._ledger.now()
        life = next((life for life in lives(store.everything(connection), now) if life.key.key_id == key_id), None)
        if life is None or life.phase is Phase.DISTRUSTED:
            raise SigningKeyError(f"no trusted key has the id {key_id}: see `auth-svc keys list`")
        if life.phase is Phase.SIGNING:
            raise SigningKeyError(f"{key_id} signs: rotate {life.key.algorithm} first")
        retires_at = self.retires_at(life)
        if retires_at is not None and now < retires_at:
            raise SigningKeyError(
                f"what {key_id} has signed is good until {retires_at.isoformat(timespec='seconds')}: "
                "wait, or distrust the key"
            )
        self._forget(connection, life.key)

    def retire_due(self, connection: Connection, *, now: datetime) -> None:
        """Forget every superseded key whose last token has expired."""
        for life in lives(store.everything(connection), now):
            retires_at = self.retires_at(life)
            if retires_at is not None and retires_at <= now:
                self._forget(connection, life.key)

    def _forget(self, connection: Connection, key: StoredKey) -> None:
        # Of two processes that sweep at the same time, one deletes the row, and that one tells.
        if store.delete(connection, key.key_id):
            self._ledger.outbox.record(connection, SigningKeyRetired(key_id=key.key_id, algorithm=key.algorithm))
