"""Pairwise subjects: a keyed hash of the sector and the person (OIDC Core section 8.1)."""

import base64
from typing import Final

from auth_svc.clients import Client, sector_of
from auth_svc.db import Connection, Ledger
from auth_svc.secret_key import KeyedHash
from auth_svc.subjects import store

_LENGTH: Final = 43


def could_be_pairwise(subject: str) -> bool:
    """Whether it has the form of one. User ids are shorter."""
    return len(subject) == _LENGTH


class Subjects:
    """Names people to clients."""

    def __init__(self, ledger: Ledger, hasher: KeyedHash) -> None:
        """`hasher` makes the subjects: with another key every person is a stranger to every pairwise client."""
        self._ledger = ledger
        self._hasher = hasher

    def of(self, client: Client, user_id: str) -> str:
        """The `sub` that this client knows the person by."""
        sector = sector_of(client) if client.subject_type == "pairwise" else None
        if sector is None:
            return user_id
        return base64.urlsafe_b64encode(self._hasher(f"{sector}\0{user_id}")).rstrip(b"=").decode()

    def shown_to(self, connection: Connection, client: Client, user_id: str) -> str:
        """The same, for a token: it is remembered, so that the token can be read again and revoked."""
        subject = self.of(client, user_id)
        if subject != user_id:
            store.remember(connection, subject, user_id=user_id)
        return subject

    def person(self, client: Client, subject: str) -> str | None:
        """Whom this client means by `subject`, by user id; None for a subject that is not of its sector.

        What it is told about subjects of others must not help it to compare them. On the event loop.
        """
        user_id: str | None = subject
        if could_be_pairwise(subject):
            user_id = self._ledger.database.lookup(lambda connection: store.user_of(connection, subject))
        return user_id if user_id is not None and self.of(client, user_id) == subject else None
