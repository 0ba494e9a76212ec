"""/ssf/receive: another issuer pushes what happened to people there (RFC 8935). Its signature shows who it is."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from auth_svc.clients import ClientKeys
from auth_svc.db import Connection, Ledger
from auth_svc.revocation import Revocation
from auth_svc.signals import store
from auth_svc.signals.events import MEDIA_TYPE
from auth_svc.signals.incoming import ENDING, OLDEST, Incoming, SignalError, check, person_of, take_apart
from auth_svc.signals.upstreams import Upstream
from auth_svc.wire import NO_STORE, Request, Response
from lib_one.contracts.signals import SignalReceived
from lib_one.observe import get_logger

_REFUSED: Final = [(b"content-type", b"application/json"), (b"content-language", b"en"), *NO_STORE]

_log = get_logger(__name__)


class SignalReceiver:
    """POST /ssf/receive."""

    def __init__(
        self, ledger: Ledger, keys: ClientKeys, revocation: Revocation, upstreams: Mapping[str, Upstream]
    ) -> None:
        """`keys` fetches those of the issuers."""
        self._ledger = ledger
        self._keys = keys
        self._revocation = revocation
        self._upstreams = upstreams

    async def __call__(self, request: Request) -> Response:
        """Take a token: 202 once what follows from it is committed, for a copy as well (section 2.2)."""
        try:
            media = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
            if media != MEDIA_TYPE.encode():
                raise SignalError("invalid_request", f"The body must be {MEDIA_TYPE}.")
            jws, claims, upstream = take_apart(await request.body(), self._upstreams)
            if not await self._keys.verify(upstream.issuer, upstream, jws):
                raise SignalError("invalid_key", "The token is not signed by a key of its issuer.")
            now = self._ledger.now()
            check(claims, upstream, now=now)
        except SignalError as error:
            _log.info("signal refused", error=error.code, detail=error.description)
            return Response(400, _REFUSED, msgspec.json.encode({"err": error.code, "description": error.description}))
        await self._ledger.database.work(lambda connection: self._take(connection, claims, upstream, now))
        return Response(202, NO_STORE, b"")

    def _take(self, connection: Connection, claims: Incoming, upstream: Upstream, now: datetime) -> None:
        signal_hash = hashlib.sha256(f"{claims.iss}\0{claims.jti}".encode()).digest()
        if not store.take(connection, signal_hash, expires_at=now + OLDEST) or claims.kind not in ENDING:
            return
        user = person_of(connection, claims, upstream)
        if user is not None:
            self._revocation.revoke_subject(connection, user.user_id)
            self._ledger.outbox.record(
                connection, SignalReceived(user_id=user.user_id, issuer=claims.iss, event_type=claims.kind)
            )
