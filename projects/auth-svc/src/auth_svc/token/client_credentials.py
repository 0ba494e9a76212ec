"""The client credentials grant, RFC 6749 section 4.4: a confidential client acts for itself."""

from datetime import datetime

from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import InvalidScope, UnauthorizedClient
from auth_svc.protocol import CLIENT_CREDENTIALS, IDENTITY_SCOPES
from auth_svc.token.grant import Authorized
from auth_svc.token.scope import narrow, parse_scope
from auth_svc.wire import Form


class ClientCredentials:
    """No person is there: `sub` is the client, and scopes about a person make no sense."""

    grant_type = CLIENT_CREDENTIALS

    def authorize(self, connection: Connection, client: Client, form: Form, now: datetime) -> Authorized:  # noqa: ARG002
        """Grant what was asked for and the client may have; all of that if nothing was asked for.

        Raises:
            UnauthorizedClient: a public client; its id proves nothing.
            InvalidScope: nothing is left.
        """
        if not client.confidential:
            raise UnauthorizedClient("a public client")
        scope = narrow(parse_scope(form.get("scope")) or client.scopes, client.scopes)
        scope = tuple(name for name in scope if name not in IDENTITY_SCOPES)
        if not scope:
            raise InvalidScope
        return Authorized(subject=client.client_id, client_id=client.client_id, scope=scope)
