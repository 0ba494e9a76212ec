"""The end of a sign-in: the session, what came of it, and those who are told."""

from auth_svc.db import Connection, Ledger
from auth_svc.revocation import Revocation
from auth_svc.signin import store
from auth_svc.signin.flow import Session
from lib_one.contracts.auth import SessionEnded


def end_session(connection: Connection, session: Session, *, ledger: Ledger, revocation: Revocation) -> None:
    """End a session with all that came of it; one that is over stays as it is."""
    if store.end_session(connection, session.session_id, now=ledger.now()):
        ledger.outbox.record(connection, SessionEnded(session_id=session.session_id, user_id=session.user_id))
        revocation.revoke_session(connection, session.session_id)
