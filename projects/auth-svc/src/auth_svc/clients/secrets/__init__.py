"""Secrets of clients: several at once, each with an end if it has one, so that a change needs no hour of silence."""

from datetime import timedelta

from auth_svc.clients.secrets import store
from auth_svc.clients.secrets.store import Secret, forget_expired, of_client, replace_all
from auth_svc.db import Connection, Ledger
from auth_svc.secret_key import KeyedHash, new_token
from lib_one.contracts.auth import ClientSecretAdded, ClientSecretRemoved

__all__ = [
    "MOST_SECRETS",
    "ClientSecrets",
    "Secret",
    "TooManySecretsError",
    "forget_expired",
    "of_client",
    "replace_all",
    "secret_hash",
]

MOST_SECRETS = 4
"""Live ones of one client: two are enough for a change, and each makes a wrong secret dearer to refuse."""


class TooManySecretsError(Exception):
    """A client has as many secrets as it may have."""


def secret_hash(secrets: KeyedHash, client_id: str, secret: str) -> bytes:
    """Hash a client's secret for keeping."""
    return secrets(f"{client_id}\0{secret}")


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
        store.end_by(connection, client_id, ends)
        made = new_token()
        expires_at = None if life is None else now + life
        hashed = secret_hash(self._secrets, client_id, made)
        secret_id = store.add(connection, client_id, hashed, now=now, expires_at=expires_at)
        self._ledger.outbox.record(
            connection,
            ClientSecretAdded(client_id=client_id, credential_id=secret_id, expires_at=expires_at, others_end_at=ends),
        )
        return made

    def remove(self, connection: Connection, client_id: str, secret_id: str) -> bool:
        """Make a secret worthless at once; False if this client has none with this id."""
        done = store.remove(connection, client_id, secret_id)
        if done:
            self._ledger.outbox.record(connection, ClientSecretRemoved(client_id=client_id, credential_id=secret_id))
        return done
