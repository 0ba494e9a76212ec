"""/revoke, RFC 7009."""

from datetime import UTC, datetime
from typing import Protocol

from auth_svc import grants
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidGrant, InvalidRequest
from auth_svc.revocation.verbs import Revocation
from auth_svc.wire import NO_STORE, Request, Response


class IssuedToken(Protocol):
    """What an access token says that its end needs."""

    @property
    def client_id(self) -> str:
        """To whom it was issued."""
        ...

    @property
    def jti(self) -> str:
        """Its id."""
        ...

    @property
    def exp(self) -> int:
        """When it expires by itself."""
        ...


class IssuedTokens(Protocol):
    """Knows access tokens (`token.AccessTokens`, which stands above this slice)."""

    def read(self, token: str) -> IssuedToken | None:
        """Return what a token of ours says, or None."""
        ...


class RevocationEndpoint:
    """POST /revoke: a client gives back what it no longer needs."""

    def __init__(
        self, ledger: Ledger, authentication: ClientAuthentication, tokens: IssuedTokens, revocation: Revocation
    ) -> None:
        self._ledger = ledger
        self._authentication = authentication
        self._tokens = tokens
        self._revocation = revocation

    async def __call__(self, request: Request) -> Response:
        """End the grant of a refresh token, or one access token; 200 for a token that nobody knows (section 2.2).

        `token_type_hint` is only a hint: no two kinds of token are ever equal.

        Raises:
            InvalidGrant: the token was issued to another client, and is left alone (section 2.1).
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        token = form.get("token")
        if token is None:
            raise InvalidRequest("token is missing")
        claims = self._tokens.read(token)
        if claims is not None:
            await self._end_access_token(claims, client)
        else:
            await self._ledger.database.work(lambda connection: self._end_grant(connection, token, client))
        return Response(200, NO_STORE, b"")

    async def _end_access_token(self, claims: IssuedToken, client: Client) -> None:
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
