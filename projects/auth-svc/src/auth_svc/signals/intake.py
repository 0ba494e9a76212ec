"""What follows here from what another issuer tells, however it got here."""

import hashlib
from collections.abc import Mapping

from auth_svc.clients import ClientKeys
from auth_svc.db import Connection, Ledger
from auth_svc.revocation import Revocation
from auth_svc.signals import store
from auth_svc.signals.incoming import ENDING, OLDEST, Incoming, SignalError, check, people_of, take_apart
from auth_svc.signals.upstreams import Upstream
from lib_one.contracts.signals import SignalReceived


class Intake:
    """Takes the tokens of the issuers that are listened to."""

    def __init__(
        self, ledger: Ledger, keys: ClientKeys, revocation: Revocation, upstreams: Mapping[str, Upstream]
    ) -> None:
        """`keys` fetches those of the issuers."""
        self._ledger = ledger
        self._keys = keys
        self._revocation = revocation
        self.upstreams = upstreams

    async def take(self, token: bytes) -> None:
        """Take a token; what follows from it is committed then. A copy is taken too, and nothing follows.

        Raises:
            SignalError: it is not to be believed.
        """
        jws, claims, upstream = take_apart(token, self.upstreams)
        if not await self._keys.verify(upstream.issuer, upstream, jws):
            raise SignalError("invalid_key", "The token is not signed by a key of its issuer.")
        check(claims, upstream, now=self._ledger.now())
        await self._ledger.database.work(lambda connection: self._apply(connection, claims, upstream))

    def _apply(self, connection: Connection, claims: Incoming, upstream: Upstream) -> None:
        signal_hash = hashlib.sha256(f"{claims.iss}\0{claims.jti}".encode()).digest()
        if not store.take(connection, signal_hash, expires_at=self._ledger.now() + OLDEST):
            return
        people = people_of(connection, claims, upstream) if claims.kind in ENDING else []
        for user_id in people:
            self._revocation.revoke_subject(connection, user_id)
            self._ledger.outbox.record(
                connection, SignalReceived(user_id=user_id, issuer=claims.iss, event_type=claims.kind)
            )
