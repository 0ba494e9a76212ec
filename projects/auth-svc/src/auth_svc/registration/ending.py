"""The end of a registration."""

from auth_svc import clients
from auth_svc.db import Connection, Ledger
from auth_svc.registration import store
from auth_svc.revocation import Revocation
from lib_one.contracts.auth import ClientDeleted


class OwnClientError(Exception):
    """The client is an application of the house. What is deleted stays deleted, and nobody could sign in with it."""


def delete_client(connection: Connection, client_id: str, *, ledger: Ledger, revocation: Revocation) -> bool:
    """End a registration and all that was issued (RFC 7592 section 2.3); False if it is not there or was deleted.

    The row stays: the id is never given again.

    Raises:
        OwnClientError: it is one of auth-svc's own, which can be disabled.
    """
    if any(client_id == own.client_id for own in clients.FIRST_PARTY):
        raise OwnClientError(client_id)
    if not clients.delete(connection, client_id, ledger.now()):
        return False
    revocation.disable_client(connection, client_id)
    store.forget(connection, client_id)
    ledger.outbox.record(connection, ClientDeleted(client_id=client_id))
    return True
