"""/userinfo, OIDC Core section 5.3: who the token is about, as far as its scope goes."""

from auth_svc import users
from auth_svc.db import Ledger
from auth_svc.errors import InvalidRequest, InvalidToken, OAuthError
from auth_svc.token import AccessTokens
from auth_svc.wire import NO_STORE, Request, Response, error_response, json_response

_REALM = b'Bearer realm="auth-svc"'


class UserinfoEndpoint:
    """GET and POST /userinfo."""

    def __init__(self, ledger: Ledger, tokens: AccessTokens, *, issuer: str) -> None:
        self._ledger = ledger
        self._tokens = tokens
        self._issuer = issuer

    async def __call__(self, request: Request) -> Response:
        """Answer with the claims, or with a challenge of RFC 6750 section 3."""
        try:
            token = await _bearer(request)
            if token is None:
                # No error code: the caller may simply not have known (RFC 6750 section 3.1).
                return Response(401, [(b"www-authenticate", _REALM), *NO_STORE], b"")
            return json_response(self._claims(token))
        except OAuthError as error:
            return error_response(error, [(b"www-authenticate", _challenge(error))])

    def _claims(self, token: str) -> dict[str, object]:
        claims = self._tokens.read(token)
        # Only a token with `openid` has the issuer as its audience.
        if claims is None or self._issuer not in claims.audiences or not self._tokens.live(claims):
            raise InvalidToken
        user = self._ledger.database.lookup(lambda connection: users.find(connection, claims.sub))
        if user is None or user.disabled:
            raise InvalidToken
        names = (*users.claims_of_scopes(claims.scopes), *claims.userinfo_claims)
        return {"sub": user.user_id} | users.claims_about(user, names)


async def _bearer(request: Request) -> str | None:
    """The token from the header, or from the body of a POST; one in the address is not looked at."""
    header = request.header(b"authorization")
    in_body: str | None = None
    if request.method == "POST" and request.header(b"content-type") is not None:
        in_body = (await request.form()).get("access_token")
    if header is None:
        return in_body
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer":
        raise InvalidToken("another scheme than Bearer")
    token = token.strip()
    if in_body is not None or not token or not token.isascii() or b" " in token:
        raise InvalidRequest("two tokens, or a malformed one")
    return token.decode()


def _challenge(error: OAuthError) -> bytes:
    return f'Bearer realm="auth-svc", error="{error.code}", error_description="{error.description}"'.encode()
