"""The refresh token grant (RFC 6749 section 6), with rotation and reuse detection by client (RFC 9700 section 4.14).

What a refresh token that comes gives:

    the client rotates, the token is live      the next one; of several at once, one wins
    the client does not rotate                 nothing: it stays, and is good for another `refresh_token_life`
    it was rotated within `refresh_grace`      the same next one again, until that was used in its turn
    it was rotated before that                 the whole family ends
"""

import base64
from datetime import datetime, timedelta

from auth_svc import grants, users
from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidGrant, InvalidRequest, InvalidScope
from auth_svc.protocol import OPENID, REFRESH_TOKEN
from auth_svc.resources import Resources
from auth_svc.revocation import Revocation
from auth_svc.secret_key import KeyedHash
from auth_svc.token.grant import Authorized, Outcome, Refusal
from auth_svc.token.scope import narrow, parse_scope
from auth_svc.wire import Form
from lib_one.contracts.auth import RefreshTokenReused


class Refresh:
    """Renews a grant. Where tokens rotate, each is good once, and one that comes back ends the whole family."""

    grant_type = REFRESH_TOKEN

    def __init__(
        self,
        ledger: Ledger,
        resources: Resources,
        revocation: Revocation,
        successors: KeyedHash,
        *,
        life: timedelta,
    ) -> None:
        self._ledger = ledger
        self._resources = resources
        self._revocation = revocation
        self._successors = successors
        self._life = life

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Use the refresh token and renew its grant; roles that the person lost meanwhile narrow the scope.

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
        following = self._use(connection, client, found, token, now)
        if isinstance(following, Refusal):
            return following
        # A refusal from here on undoes the use.
        asked = parse_scope(form.get("scope"))
        if not set(asked) <= set(grant.scope):
            raise InvalidScope("wider than what was granted")
        user = users.find(connection, grant.user_id)
        if user is None:
            raise InvalidGrant("no such user")
        scope = narrow(asked or grant.scope, self._resources.catalogue.scopes_for(user.roles), client.scopes)
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
            person=user,
            id_token=OPENID in scope,
            resource=grant.resource,
            terms=grant.terms,
            refresh_token=following,
        )

    def _use(
        self, connection: Connection, client: Client, found: grants.RefreshToken, token: str, now: datetime
    ) -> str | Refusal | None:
        """Use a token; the next one, or None if this one stays."""
        grant = found.grant
        if found.used_at is None:
            if now >= min(found.expires_at, grant.expires_at):
                raise InvalidGrant(f"grant {grant.grant_id}: expired refresh token")
            until = min(now + self._life, grant.expires_at)
            if not client.rotates:
                if grants.prolong(connection, token, now=now, expires_at=until):
                    return None
            elif grants.rotate(connection, token, now=now):
                following = self._successor(token) if client.refresh_grace else None
                return grants.renew(connection, grant.grant_id, now=now, expires_at=until, token=following)
        # It came back, or somebody else's transaction consumed it between the look and the swap.
        return self._given_before(connection, client, token, now) or self._reused(connection, grant)

    def _successor(self, token: str) -> str:
        """The token that follows on `token` where there is a grace.

        It can be given again without being kept: it takes the old token *and* the master secret to make it.
        """
        return base64.urlsafe_b64encode(self._successors(token)).rstrip(b"=").decode()

    def _given_before(self, connection: Connection, client: Client, token: str, now: datetime) -> str | None:
        """The successor that a token got within its client's grace, as long as nobody has used that."""
        rotated = grants.find_refresh_token(connection, token)
        grace = timedelta(seconds=client.refresh_grace)
        if rotated is None or rotated.used_at is None or now >= rotated.used_at + grace:
            return None
        following = grants.find_refresh_token(connection, self._successor(token))
        if following is None or following.used_at is not None or now >= following.expires_at:
            return None
        return self._successor(token)

    def _reused(self, connection: Connection, grant: grants.StoredGrant) -> Refusal:
        self._revocation.revoke_grant(connection, grant.grant_id)
        self._ledger.outbox.record(connection, RefreshTokenReused(grant_id=grant.grant_id, client_id=grant.client_id))
        return Refusal(InvalidGrant(f"grant {grant.grant_id}: a used refresh token came back"))
