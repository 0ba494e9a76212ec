"""/revoke, RFC 7009."""

from datetime import UTC, datetime

import msgspec

from auth_svc import grants
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidGrant, InvalidRequest
from auth_svc.keys import KeyRing, UnverifiedTokenError
from auth_svc.revocation.verbs import Revocation
from auth_svc.wire import NO_STORE, Request, Response


class _Claims(msgspec.Struct):
    client_id: str
    jti: str
    exp: int


class RevocationEndpoint:
    """POST /revoke: a client gives back what it no longer needs."""

    def __init__(
        self, ledger: Ledger, authentication: ClientAuthentication, keys: KeyRing, revocation: Revocation
    ) -> None:
        self._ledger = ledger
        self._authentication = authentication
        self._keys = keys
        self._revocation = revocation

    async def __call__(self, request: Request) -> Response:
        """End the grant of a refresh token, or one access token; 200 for a token that nobody knows (section 2.2).

        `token_type_hint` is only a hint: both kinds are told apart by how they look.

        Raises:
            InvalidGrant: the token was issued to another client, and is left alone (section 2.1).
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        token = form.get("token")
        if token is None:
            raise InvalidRequest("token is missing")
        claims = self._access_token(token)
        if claims is not None:
            await self._end_access_token(claims, client)
        else:
            await self._ledger.database.work(lambda connection: self._end_grant(connection, token, client))
        return Response(200, NO_STORE, b"")

    def _access_token(self, token: str) -> _Claims | None:
        try:
            return msgspec.json.decode(self._keys.verify(token, typ="at+jwt"), type=_Claims)
        except UnverifiedTokenError:
            return None

    async def _end_access_token(self, claims: _Claims, client: Client) -> None:
        if claims.client_id != client.client_id:
            raise InvalidGrant(f"access token of {claims.client_id} shown by {client.client_id}")
        expires_at = datetime.fromtimestamp(claims.exp, UTC)
        if expires_at > self._ledger.now():
            await self._ledger.database.work(
                lambda connection: self._revocation.revoke_token(connection, claims.jti, expires_at=expires_at)
            )

    def _end_grant(self, connection: Connection, token: str, client: Client) -> None:
        found = grants.find_refresh_token(connection, token)
        if found is None:
            return
        if found.grant.client_id != client.client_id:
            raise InvalidGrant(f"refresh token of {found.grant.client_id} shown by {client.client_id}")
        if not found.grant.revoked:
            self._revocation.revoke_grant(connection, found.grant.grant_id)
