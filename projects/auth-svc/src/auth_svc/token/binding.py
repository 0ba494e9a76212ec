"""What an issued token is bound to: the key that was shown with the request for it (RFC 9449 sections 5 and 6)."""

import msgspec

from auth_svc import grants
from auth_svc.clients import Client
from auth_svc.db import Connection
from auth_svc.errors import InvalidGrant, OwnProofRequired
from auth_svc.grants import Confirmation
from auth_svc.token.grant import Authorized


def bind(
    connection: Connection, authorized: Authorized, client: Client, shown: Confirmation | None, *, renewal: bool
) -> Authorized:
    """Bind the access token to the key that was shown, and a public client's grant as well.

    Refresh tokens of a confidential client are good for that client only, and it proves each time who it is: they are
    not bound, so that it may change its key (RFC 9449 section 5). A public client proves nothing else.
    A `renewal` may bind a grant that was begun without a key; nothing unbinds one.

    Raises:
        InvalidGrant: the code or refresh token is bound to another key (section 10).
        OwnProofRequired: a bound token is exchanged without a key: the new one would be good in whoever's hands it is.
    """
    if authorized.bound and shown is None:
        raise OwnProofRequired(client.client_id)
    bound = authorized.terms.confirmation
    if bound is None and shown is None:
        return authorized
    if bound is not None and bound != shown:
        raise InvalidGrant("bound to another key than the one that was shown")
    kept = None if client.confidential else shown
    if renewal and bound is None and kept is not None and authorized.grant_id is not None:
        grants.bind(connection, authorized.grant_id, kept)
    terms = msgspec.structs.replace(authorized.terms, confirmation=kept)
    return msgspec.structs.replace(authorized, confirmation=shown, terms=terms)
