"""The beginning of a sign-in: a session in this browser, whoever asked for it."""

import secrets
from asyncio import sleep
from collections.abc import Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from auth_svc import users
from auth_svc.db import Connection, Ledger
from auth_svc.revocation import Revocation, until_told_apart
from auth_svc.signin import store
from auth_svc.signin.ending import end_session
from auth_svc.signin.flow import PASSWORD, Session
from auth_svc.web import SESSION, Pages
from lib_one.contracts.auth import SessionStarted
from lib_one.event import new_id


class Sessions:
    """Starts sessions."""

    def __init__(self, ledger: Ledger, pages: Pages, revocation: Revocation, *, life: timedelta) -> None:
        self._ledger = ledger
        self._pages = pages
        self._revocation = revocation
        self._life = life

    async def begin(self, request: Request, path: str, proven: Callable[[Connection], str]) -> Response:
        """Start a session for the person whose id `proven` returns, in one unit of work with what that writes.

        Returns the answer that brings the browser its cookie and sends it on to `path`. What `proven` raises comes out,
        and nothing has happened then. Within the second in which all that the person had was revoked, it takes the
        rest of that second.
        """
        secret = secrets.token_urlsafe(32)
        old = self._pages.cookie(request, SESSION)
        too_soon = await self._ledger.database.work(lambda c: self._start(c, proven(c), secret=secret, old=old))
        if too_soon:
            await sleep(too_soon)
        response = self._pages.see(path)
        self._pages.set_cookie(response, SESSION, secret, life=self._life)
        return response

    def _start(self, connection: Connection, user_id: str, *, secret: str, old: str | None) -> float:
        """Begin the session. The cookie of before is void: one's own session gets a new secret, another's ends.

        Returns the seconds that the browser is to wait for it.
        """
        now = self._ledger.now()
        before = None if old is None else store.find_session(connection, old, now=now)
        same = before is not None and before.user.user_id == user_id
        session = Session(
            session_id=before.session.session_id if before is not None and same else new_id(),
            user_id=user_id,
            auth_time=now,
            amr=PASSWORD,
            expires_at=now + self._life,
        )
        if same:
            store.confirm_session(connection, session, secret=secret)
        else:
            if before is not None:
                end_session(connection, before.session, ledger=self._ledger, revocation=self._revocation)
            store.start_session(connection, session, secret=secret)
        self._ledger.outbox.record(
            connection, SessionStarted(session_id=session.session_id, user_id=user_id, methods=PASSWORD)
        )
        person = users.find(connection, user_id)
        return 0 if person is None else until_told_apart(person.sign_in_again_at, now)
