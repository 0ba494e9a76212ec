"""The verbs of revocation: each writes state and records the fact in one unit of work."""

from datetime import datetime, timedelta

from auth_svc import clients, grants, keys, subjects, users
from auth_svc.db import Connection, Ledger
from auth_svc.relying_parties import RelyingParties
from auth_svc.revocation import store
from lib_one.contracts.revocation import (
    ClientRevoked,
    GrantRevoked,
    KeyDistrusted,
    SessionRevoked,
    SubjectRevoked,
    TokenRevoked,
)

_SKEW = timedelta(minutes=1)
"""Clocks of resource servers may be behind: a revocation outlives the token by this much."""


class Revocation:
    """Ends what was issued. Every verb is a plain function of a connection, to be part of a larger unit of work."""

    def __init__(self, ledger: Ledger, parties: RelyingParties, *, access_token_life: timedelta) -> None:
        self._ledger = ledger
        self._parties = parties
        self._longest = access_token_life + _SKEW

    def revoke_token(self, connection: Connection, token_id: str, *, expires_at: datetime) -> None:
        """End one access token."""
        store.add(connection, store.TOKEN, token_id, expires_at=expires_at + _SKEW)
        self._ledger.outbox.record(connection, TokenRevoked(token_id=token_id, expires_at=expires_at + _SKEW))

    def revoke_grant(self, connection: Connection, grant_id: str) -> None:
        """End a grant: its refresh tokens and every live access token that came of it."""
        now = self._ledger.now()
        grants.revoke(connection, grant_id, now)
        store.add(connection, store.GRANT, grant_id, expires_at=now + self._longest)
        self._ledger.outbox.record(connection, GrantRevoked(grant_id=grant_id, expires_at=now + self._longest))

    def revoke_session(self, connection: Connection, session_id: str) -> None:
        """End what came of one sign-in, its grants included, and have its relying parties told.

        The session itself is ended by who calls this.
        """
        now = self._ledger.now()
        grants.revoke_of_session(connection, session_id, now)
        self._parties.end_session(connection, session_id)
        store.add(connection, store.SESSION, session_id, expires_at=now + self._longest)
        self._ledger.outbox.record(connection, SessionRevoked(session_id=session_id, expires_at=now + self._longest))

    def revoke_subject(self, connection: Connection, subject_id: str) -> None:
        """End all that was issued to a person up to now, the grants and the sign-ins included.

        The relying parties of those sign-ins are told.
        """
        now = self._ledger.now()
        grants.revoke_of_user(connection, subject_id, now)
        users.end_sign_ins(connection, subject_id, now)
        self._parties.end_sessions_of(connection, subject_id)
        store.add(connection, store.SUBJECT, subject_id, not_before=now, expires_at=now + self._longest)
        # Resource servers know the person by what stands in the tokens.
        for name in (subject_id, *subjects.pairwise_of(connection, subject_id)):
            self._ledger.outbox.record(
                connection, SubjectRevoked(subject_id=name, not_before=now, expires_at=now + self._longest)
            )

    def revoke_client(self, connection: Connection, client_id: str) -> None:
        """End all that was issued to a client up to now, the grants included."""
        self._revoke_client(connection, client_id, up_to=self._ledger.now())

    def disable_client(self, connection: Connection, client_id: str) -> bool:
        """Refuse a client from now on and end all that was issued to it; False if it is not there or was refused.

        Another process may not have seen it for a moment yet: what it issues meanwhile is worth nothing either.
        """
        now = self._ledger.now()
        done = clients.disable(connection, client_id, now)
        if done:
            self._revoke_client(connection, client_id, up_to=now + clients.UNSEEN_FOR)
        return done

    def _revoke_client(self, connection: Connection, client_id: str, *, up_to: datetime) -> None:
        grants.revoke_of_client(connection, client_id, self._ledger.now())
        clients.revoke(connection, client_id, up_to)
        expires_at = up_to + self._longest
        store.add(connection, store.CLIENT, client_id, not_before=up_to, expires_at=expires_at)
        self._ledger.outbox.record(
            connection, ClientRevoked(client_id=client_id, not_before=up_to, expires_at=expires_at)
        )

    def distrust_key(self, connection: Connection, key_id: str) -> bool:
        """End all that a signing key has signed; False if no trusted key has this id."""
        now = self._ledger.now()
        if not keys.distrust(connection, key_id, now):
            return False
        self._ledger.outbox.record(connection, KeyDistrusted(key_id=key_id, expires_at=now + self._longest))
        return True
