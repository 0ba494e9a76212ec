"""The client credentials grant, RFC 6749 section 4.4: a confidential client acts for itself."""

from datetime import datetime

from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import InvalidScope, UnauthorizedClient
from auth_svc.grants import NO_TERMS, Terms
from auth_svc.protocol import CLIENT_CREDENTIALS, IDENTITY_SCOPES
from auth_svc.resources import Resources
from auth_svc.token.details import requested_details
from auth_svc.token.grant import Authorized
from auth_svc.token.scope import narrow, parse_scope
from auth_svc.wire import Form


class ClientCredentials:
    """No person is there: `sub` is the client, and scopes about a person make no sense."""

    grant_type = CLIENT_CREDENTIALS

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Authorized:  # noqa: ARG002
        """Grant what was asked for and the client may have; all of that if nothing was asked for.

        Raises:
            UnauthorizedClient: a public client; its id proves nothing.
            InvalidScope: nothing is left.
            InvalidAuthorizationDetails: more in detail than it may have.
        """
        if not client.confidential:
            raise UnauthorizedClient("a public client")
        scope = narrow(parse_scope(form.get("scope")) or client.scopes, client.scopes)
        scope = tuple(name for name in scope if name not in IDENTITY_SCOPES)
        if not scope:
            raise InvalidScope
        details = requested_details(
            form.get("authorization_details"),
            client,
            self._resources.catalogue,
            scope=scope,
            resources=form.resources,
        )
        return Authorized(
            subject=client.client_id,
            client_id=client.client_id,
            scope=scope,
            terms=Terms(authorization_details=details) if details else NO_TERMS,
        )
