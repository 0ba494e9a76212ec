"""/userinfo, OIDC Core section 5.3: who the token is about, as far as its scope goes."""

import msgspec

from auth_svc import users
from auth_svc.clients import Clients
from auth_svc.db import Ledger
from auth_svc.errors import InvalidToken
from auth_svc.keys import KeyRing
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import NO_STORE, Request, Response, json_response


class UserinfoEndpoint:
    """GET and POST /userinfo."""

    def __init__(
        self,
        ledger: Ledger,
        presented: PresentedTokens,
        clients: Clients,
        keys: KeyRing,
        *,
        issuer: str,
        uri: str,
    ) -> None:
        """`uri` is the address of this endpoint, as proofs name it."""
        self._ledger = ledger
        self._presented = presented
        self._clients = clients
        self._keys = keys
        self._issuer = issuer
        self._uri = uri

    async def __call__(self, request: Request) -> Response:
        """Answer with the claims, or with a challenge. Only a token with `openid` is for this server."""
        return await self._presented.answer(request, self._respond, uri=self._uri, in_body=True)

    def _respond(self, claims: AccessClaims) -> Response:
        """JSON, or a JWT for a client that has registered for one (section 5.3.2)."""
        client = self._clients.find(claims.client_id)
        if client is None:
            raise InvalidToken("its client is disabled")
        told = self._claims(claims)
        algorithm = client.userinfo_signed_response_alg
        if algorithm is None:
            return json_response(told)
        payload = msgspec.json.encode(told | {"iss": self._issuer, "aud": client.client_id})
        signed = self._keys.sign(algorithm, "JWT", payload)
        return Response(200, [(b"content-type", b"application/jwt"), *NO_STORE], signed.encode())

    def _claims(self, claims: AccessClaims) -> dict[str, object]:
        user = self._ledger.database.lookup(lambda connection: users.find(connection, claims.subject_id))
        if user is None or user.disabled:
            raise InvalidToken
        names = (*users.claims_of_scopes(claims.scopes), *claims.userinfo_claims)
        return {"sub": claims.sub} | users.claims_about(user, names)
