"""The verbs: a client learns of a sign-in, and a sign-in ends. Each is part of a larger unit of work."""

from datetime import timedelta

import msgspec

from auth_svc import clients
from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.deliveries import Deliveries
from auth_svc.relying_parties import store
from auth_svc.relying_parties.backchannel import BACKCHANNEL_LOGOUT
from auth_svc.relying_parties.frontchannel import Frame, frame

_TRIED_FOR = timedelta(days=1)
"""A client that is away for longer has to find out by itself: its refresh tokens are refused."""


class RelyingParties:
    """Knows which clients know of a sign-in."""

    def __init__(self, ledger: Ledger, deliveries: Deliveries, *, issuer: str, life: timedelta) -> None:
        """`life` is how long a client can go on after it learnt of a sign-in: that of a grant."""
        self._ledger = ledger
        self._deliveries = deliveries
        self._issuer = issuer
        self._life = life

    def learn(self, connection: Connection, client: Client, *, session_id: str, user_id: str, subject: str) -> None:
        """An ID token of this sign-in goes to this client; `subject` is the `sub` in it.

        Nothing is kept for a client that has no way to be told.
        """
        if client.backchannel_logout_uri is None and client.frontchannel_logout_uri is None:
            return
        party = store.Party(session_id, client.client_id, subject)
        store.add(connection, party, user_id=user_id, expires_at=self._ledger.now() + self._life)

    def end_session(self, connection: Connection, session_id: str) -> None:
        """Tell everybody who knows of this sign-in that it is over."""
        self._tell(connection, store.end_session(connection, session_id, now=self._ledger.now()))

    def end_sessions_of(self, connection: Connection, user_id: str) -> None:
        """Tell everybody who knows of a sign-in of this person that it is over."""
        self._tell(connection, store.end_sessions_of(connection, user_id, now=self._ledger.now()))

    def frames(self, connection: Connection, session_id: str) -> list[Frame]:
        """What the browser that a sign-in was in has to load, now that this is over."""
        known = (clients.find(connection, client_id) for client_id in store.ended(connection, session_id))
        found = (frame(client, issuer=self._issuer, session_id=session_id) for client in known if client is not None)
        return [each for each in found if each is not None]

    def _tell(self, connection: Connection, parties: list[store.Party]) -> None:
        for party in parties:
            client = clients.find(connection, party.client_id)
            if client is not None and client.backchannel_logout_uri is not None:
                self._deliveries.post(
                    connection,
                    kind=BACKCHANNEL_LOGOUT,
                    client_id=party.client_id,
                    payload=msgspec.json.encode(party),
                    life=_TRIED_FOR,
                )
