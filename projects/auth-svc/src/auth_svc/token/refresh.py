"""The refresh token grant with rotation and reuse detection (RFC 6749 section 6, RFC 9700 section 4.14)."""

from datetime import datetime

from auth_svc import grants, users
from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidGrant, InvalidRequest, InvalidScope
from auth_svc.protocol import OPENID, REFRESH_TOKEN
from auth_svc.revocation import Revocation
from auth_svc.token.grant import Authorized, Outcome, Refusal
from auth_svc.token.scope import narrow, parse_scope
from auth_svc.wire import Form
from lib_one.contracts.auth import RefreshTokenReused


class Refresh:
    """Each refresh token is good once; one that comes back ends the whole family."""

    grant_type = REFRESH_TOKEN

    def __init__(self, ledger: Ledger, revocation: Revocation) -> None:
        self._ledger = ledger
        self._revocation = revocation

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Consume the refresh token and renew its grant; roles that the person lost meanwhile narrow the scope.

        A token that was used before is refused and its family revoked. There is no grace for a double submit: who
        holds the copy cannot be told from who holds the original, so both start again with a sign-in.

        Raises:
            InvalidGrant: unknown, expired, revoked, or another client's (then nothing is revoked).
            InvalidScope: wider than what was granted; the token is still good.
        """
        token = form.get("refresh_token")
        if token is None:
            raise InvalidRequest("refresh_token is missing")
        found = grants.find_refresh_token(connection, token)
        if found is None:
            raise InvalidGrant("unknown refresh token")
        grant = found.grant
        if grant.client_id != client.client_id:
            raise InvalidGrant(f"refresh token of {grant.client_id} shown by {client.client_id}")
        if grant.revoked:
            raise InvalidGrant(f"grant {grant.grant_id} is revoked")
        if found.used:
            return self._reused(connection, grant)
        if now >= min(found.expires_at, grant.expires_at):
            raise InvalidGrant(f"grant {grant.grant_id}: expired refresh token")
        asked = parse_scope(form.get("scope"))
        if not set(asked) <= set(grant.scope):
            raise InvalidScope("wider than what was granted")
        if not grants.rotate(connection, token, now=now):
            # Somebody else's transaction consumed it between the look and the swap: that is a reuse too.
            return self._reused(connection, grant)
        user = users.find(connection, grant.user_id)
        if user is None:
            raise InvalidGrant("no such user")
        scope = narrow(asked or grant.scope, user.scopes, client.scopes)
        if not scope:
            raise InvalidScope("nothing is left of the grant")
        return Authorized(
            subject=grant.user_id,
            client_id=grant.client_id,
            scope=scope,
            grant_id=grant.grant_id,
            session_id=grant.session_id,
            auth_time=grant.auth_time,
            amr=grant.amr,
            roles=user.roles,
            issue_refresh=True,
            id_token=OPENID in scope,
            resource=grant.resource,
            terms=grant.terms,
            renews=grant.expires_at,
        )

    def _reused(self, connection: Connection, grant: grants.StoredGrant) -> Refusal:
        self._revocation.revoke_grant(connection, grant.grant_id)
        self._ledger.outbox.record(connection, RefreshTokenReused(grant_id=grant.grant_id, client_id=grant.client_id))
        return Refusal(InvalidGrant(f"grant {grant.grant_id}: a used refresh token came back"))
