"""The JWT bearer grant at /token (RFC 7523 section 2.1)."""

from collections.abc import Mapping
from datetime import UTC, datetime

from auth_svc import users
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import InvalidGrant, InvalidRequest, InvalidScope, UnauthorizedClient
from auth_svc.jwt_bearer import store
from auth_svc.jwt_bearer.flow import read_assertion
from auth_svc.jwt_bearer.issuers import TrustedIssuer
from auth_svc.protocol import JWT_BEARER, OFFLINE_ACCESS
from auth_svc.resources import Resources
from auth_svc.revocation import check_told_apart
from auth_svc.token import Authorized, Form, narrow, parse_scope
from lib_one.event import new_id


class JwtBearer:
    """An assertion of a trusted issuer is good once, for a client that may show it; no refresh token, no ID token."""

    grant_type = JWT_BEARER

    def __init__(self, resources: Resources, trusted: Mapping[str, TrustedIssuer], *, issuer: str) -> None:
        self._resources = resources
        self._trusted = trusted
        self._issuer = issuer

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Authorized:
        """Take an assertion, and give what its issuer, its client and its person all may.

        Raises:
            UnauthorizedClient: a public client; an assertion that leaks would be enough.
            InvalidRequest: no assertion.
            InvalidGrant: it is not to be believed, was used, or is about nobody here.
            TooSoonError: all that the person had was revoked in this second.
            InvalidScope: nothing is left.
        """
        if not client.confidential:
            raise UnauthorizedClient("a public client")
        token = form.get("assertion")
        if token is None:
            raise InvalidRequest("assertion is missing")
        assertion, trusted = read_assertion(token, self._trusted, audience=self._issuer, now=now)
        if client.client_id not in trusted.clients:
            raise InvalidGrant(f"{client.client_id} may not show assertions of {trusted.issuer}")
        name = assertion.sub if trusted.subjects is None else trusted.subjects.get(assertion.sub)
        user = users.find_by_username(connection, name) if name is not None and name.isprintable() else None
        if user is None or not user.may_continue(assertion.issued_at):
            raise InvalidGrant("assertion about nobody here, or from before the end of their sign-ins")
        check_told_apart(user.sign_in_again_at, now)
        if not store.consume(connection, issuer=assertion.iss, jti=assertion.jti, expires_at=assertion.expires_at):
            raise InvalidGrant("used assertion")
        allowed = trusted.scope.split()
        scope = narrow(
            parse_scope(form.get("scope")) or allowed,
            allowed,
            self._resources.catalogue.scopes_for(user.roles),
            client.scopes,
        )
        scope = tuple(name for name in scope if name != OFFLINE_ACCESS)
        if not scope:
            raise InvalidScope("nothing is left of what the issuer may give")
        signed_in_at = assertion.auth_time
        return Authorized(
            subject=user.user_id,
            client_id=client.client_id,
            scope=scope,
            grant_id=new_id(),
            # Only if the other issuer says so: an assertion is no sign-in, and must not pass for a fresh one.
            auth_time=None if signed_in_at is None else datetime.fromtimestamp(signed_in_at, UTC),
            roles=user.roles,
        )
