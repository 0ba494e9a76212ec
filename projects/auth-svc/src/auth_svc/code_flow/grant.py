"""The authorization code grant at /token (OAuth 2.1 section 4.1.3)."""

from datetime import datetime

from auth_svc.approvals import authorized
from auth_svc.clients import Client
from auth_svc.code_flow import store
from auth_svc.code_flow.code import verifier_fits
from auth_svc.db import Connection
from auth_svc.errors import InvalidGrant, InvalidRequest
from auth_svc.protocol import AUTHORIZATION_CODE
from auth_svc.resources import Resources
from auth_svc.revocation import Revocation
from auth_svc.token import Form, Outcome, Refusal


class AuthorizationCode:
    """A code is good once, for one minute, for the client, redirect URI and verifier that it was made for."""

    grant_type = AUTHORIZATION_CODE

    def __init__(self, resources: Resources, revocation: Revocation) -> None:
        self._resources = resources
        self._revocation = revocation

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Outcome:
        """Consume the code. Who shows a used one with the right verifier ends everything that came of it.

        Without the right verifier nothing is consumed or revoked: a stolen code alone must not be a weapon
        (OAuth 2.1 section 4.1.3 speaks of a second *valid* request).

        Raises:
            InvalidRequest: the code or the verifier is missing.
            InvalidGrant: unknown or expired code, another client, redirect URI or verifier, or the session is over.
            InvalidScope: the person's roles no longer cover any of it.
        """
        secret, verifier = form.get("code"), form.get("code_verifier")
        if secret is None or verifier is None:
            raise InvalidRequest("code or code_verifier is missing")
        code = store.find(connection, secret)
        if code is None:
            raise InvalidGrant("unknown code")
        if code.client_id != client.client_id:
            raise InvalidGrant(f"code of {code.client_id} shown by {client.client_id}")
        # OAuth 2.1 clients leave redirect_uri out here, PKCE does its work; if it is sent it must fit (section 10.2).
        if form.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
            raise InvalidGrant("another redirect_uri")
        if not verifier_fits(verifier, code.code_challenge):
            raise InvalidGrant("the code_verifier does not fit")
        if code.used:
            return self._replayed(connection, code.grant_id)
        if code.expires_at <= now:
            raise InvalidGrant("expired code")
        if not store.consume(connection, secret, now=now):
            # Somebody else's transaction consumed it between the look and the swap: that is a replay too.
            return self._replayed(connection, code.grant_id)
        return authorized(
            connection,
            client,
            code,
            self._resources.catalogue,
            resource=code.resource,
            terms=code.terms,
            nonce=code.nonce,
            now=now,
        )

    def _replayed(self, connection: Connection, grant_id: str) -> Refusal:
        self._revocation.revoke_grant(connection, grant_id)
        return Refusal(InvalidGrant(f"grant {grant_id}: a used code came back"))
