"""The token exchange grant at /token (RFC 8693 section 2)."""

from collections.abc import Collection
from datetime import UTC, datetime

from auth_svc import users
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import InvalidRequest, UnacceptableToken, UnauthorizedClient
from auth_svc.exchange.flow import acting, may_use, narrowed_audience, narrowed_scope
from auth_svc.grants import Terms
from auth_svc.protocol import ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE
from auth_svc.resources import Resources
from auth_svc.token import AccessClaims, AccessTokens, Authorized, Form, parse_scope


class TokenExchange:
    """Access tokens of this issuer for others with less; no refresh token, no ID token."""

    grant_type = TOKEN_EXCHANGE

    def __init__(self, resources: Resources, tokens: AccessTokens) -> None:
        self._resources = resources
        self._tokens = tokens

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Authorized:  # noqa: ARG002
        """Take the tokens, and say who acts for whom from now on.

        The subject token stays good: an exchange is no use of a one-time thing.

        Raises:
            UnauthorizedClient: a public client; anybody can say that they are one.
            InvalidRequest: a parameter is missing or of a kind that is not exchanged here.
            UnacceptableToken: a token is no good, or not for this client to use. One that is bound to a key wants
                a proof with a key of the client's own besides, which the new token is bound to (`binding`).
            InvalidTarget, InvalidScope: more than the subject token has.
        """
        if not client.confidential:
            raise UnauthorizedClient("a public client")
        if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise InvalidRequest("only access tokens are issued here")
        subject = self._token(connection, client, form, "subject_token")
        if subject is None:
            raise InvalidRequest("subject_token is missing")
        actor = self._token(connection, client, form, "actor_token")
        resource = narrowed_audience(subject, form.resources, form.get("audience"))
        allowed: list[Collection[str]] = [client.scopes]
        roles: tuple[str, ...] = ()
        if subject.grant_id is not None:
            user = users.find(connection, subject.subject_id)
            if user is None:
                raise UnacceptableToken("no such user")
            allowed.append(self._resources.catalogue.scopes_for(user.roles))
            roles = user.roles
        return Authorized(
            subject=subject.subject_id,
            client_id=client.client_id,
            scope=narrowed_scope(subject, parse_scope(form.get("scope")), *allowed),
            grant_id=subject.grant_id,
            session_id=subject.sid,
            auth_time=None if subject.auth_time is None else datetime.fromtimestamp(subject.auth_time, UTC),
            amr=subject.amr,
            roles=roles,
            resource=resource,
            terms=Terms(acr=subject.acr, authorization_details=subject.authorization_details),
            actor=acting(subject, actor, client),
            bound=subject.cnf is not None or (actor is not None and actor.cnf is not None),
            issued_token_type=ACCESS_TOKEN_TYPE,
            not_after=datetime.fromtimestamp(subject.exp, UTC),
        )

    def _token(self, connection: Connection, client: Client, form: Form, name: str) -> AccessClaims | None:
        token, kind = form.get(name), form.get(f"{name}_type")
        if (token is None) != (kind is None):
            raise InvalidRequest(f"{name} and {name}_type go together")
        if token is None:
            return None
        if kind != ACCESS_TOKEN_TYPE:
            raise InvalidRequest(f"{name}_type is not an access token")
        claims = self._tokens.shown(connection, token)
        if claims is None or not may_use(claims, client):
            raise UnacceptableToken(f"{name} is no good or not for {client.client_id}")
        return claims
