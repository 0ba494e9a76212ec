"""/userinfo, OIDC Core section 5.3: who the token is about, as far as its scope goes."""

from auth_svc import users
from auth_svc.db import Ledger
from auth_svc.errors import InvalidToken
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import Request, Response, json_response


class UserinfoEndpoint:
    """GET and POST /userinfo."""

    def __init__(self, ledger: Ledger, presented: PresentedTokens, *, uri: str) -> None:
        """`uri` is the address of this endpoint, as proofs name it."""
        self._ledger = ledger
        self._presented = presented
        self._uri = uri

    async def __call__(self, request: Request) -> Response:
        """Answer with the claims, or with a challenge. Only a token with `openid` is for this server."""
        return await self._presented.answer(
            request, lambda claims: json_response(self._claims(claims)), uri=self._uri, in_body=True
        )

    def _claims(self, claims: AccessClaims) -> dict[str, object]:
        user = self._ledger.database.lookup(lambda connection: users.find(connection, claims.sub))
        if user is None or user.disabled:
            raise InvalidToken
        names = (*users.claims_of_scopes(claims.scopes), *claims.userinfo_claims)
        return {"sub": user.user_id} | users.claims_about(user, names)
