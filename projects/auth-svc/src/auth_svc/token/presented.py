"""Access tokens that are shown to this server as a resource (RFC 6750, RFC 9449 section 7): /userinfo and its kin."""

from collections.abc import Awaitable, Callable, Sequence

from auth_svc.clients import Clients, shown_certificate
from auth_svc.db import Ledger
from auth_svc.errors import InvalidProof, InvalidRequest, InvalidToken, OAuthError, UseDpopNonce
from auth_svc.proofs import PROOF_ALGORITHMS, Possession
from auth_svc.token.access import AccessTokens
from auth_svc.token.issuer import AccessClaims
from auth_svc.wire import NO_STORE, Request, Response, error_response

type Respond = Callable[[AccessClaims], Response | Awaitable[Response]]

_BEARER = b'Bearer realm="auth-svc"'
_DPOP = f'DPoP realm="auth-svc", algs="{" ".join(PROOF_ALGORITHMS)}"'.encode()


class PresentedTokens:
    """Reads the token that comes with a request, with the proof that it needs, and answers refusals by challenges."""

    def __init__(
        self, ledger: Ledger, tokens: AccessTokens, possession: Possession, clients: Clients, *, issuer: str
    ) -> None:
        self._ledger = ledger
        self._tokens = tokens
        self._possession = possession
        self._clients = clients
        self._issuer = issuer

    async def answer(self, request: Request, respond: Respond, *, uri: str, in_body: bool = False) -> Response:
        """Answer with what `respond` makes of a good token that is for this server, or with a challenge.

        `uri` is the address of the endpoint, as proofs name it. With `in_body`, a POST may carry its token in a form
        (RFC 6750 section 2.2); one in the address is never looked at. An `OAuthError` of `respond` is a challenge too.
        """
        scheme = b"bearer"
        try:
            scheme, token = await _presented(request, in_body=in_body)
            if token is None:
                # No error code: the caller may simply not have known (RFC 6750 section 3.1).
                return Response(401, [(b"www-authenticate", _BEARER), (b"www-authenticate", _DPOP), *NO_STORE], b"")
            claims = self._tokens.read(token)
            if claims is None or self._issuer not in claims.audiences or not self._tokens.live(claims):
                raise InvalidToken
            headers = await self._proven(request, token, claims, scheme=scheme, uri=uri)
            answer = respond(claims)
            if not isinstance(answer, Response):
                answer = await answer
            return answer._replace(headers=[*answer.headers, *headers])
        except OAuthError as error:
            # At a resource, what is wrong with a proof is 401 (RFC 9449 section 7.1).
            status = 401 if isinstance(error, InvalidProof | UseDpopNonce) else None
            return error_response(error, [(b"www-authenticate", _challenge(error, scheme))], status=status)

    async def _proven(
        self, request: Request, token: str, claims: AccessClaims, *, scheme: bytes, uri: str
    ) -> Sequence[tuple[bytes, bytes]]:
        """Hold the key behind the request against the one of the token. A bound token is no bearer token, nor the
        other way round (section 7.2). Returns headers for the answer.
        """
        if claims.cnf is not None and claims.cnf.x5t_s256 is not None:
            certificate = shown_certificate(request)
            if certificate is None or certificate.x5t_s256 != claims.cnf.x5t_s256:
                raise InvalidToken("bound to another certificate")  # RFC 8705 section 3
        jkt = None if claims.cnf is None else claims.cnf.jkt
        if scheme == b"bearer":
            if jkt is not None:
                raise InvalidToken("a bound token shown as Bearer")
            return []
        if jkt is None:
            raise InvalidToken("an unbound token shown as DPoP")
        client = self._clients.find(claims.client_id)
        shown = self._possession.of_token(request, token, uri=uri, fapi2=client is not None and client.fapi2)
        if shown is None:
            raise InvalidProof("no proof")
        if shown.confirmation.jkt != jkt:
            raise InvalidToken("bound to another key")
        await self._ledger.database.work(lambda connection: self._possession.consume(connection, shown))
        return shown.headers


async def _presented(request: Request, *, in_body: bool) -> tuple[bytes, str | None]:
    """The scheme in lower case, and the token from the header or from the body of a POST."""
    header = request.header(b"authorization")
    found: str | None = None
    if in_body and request.method == "POST" and request.header(b"content-type") is not None:
        found = (await request.form()).get("access_token")
    if header is None:
        return b"bearer", found
    scheme, _, token = header.partition(b" ")
    scheme, token = scheme.lower(), token.strip()
    if scheme not in {b"bearer", b"dpop"}:
        raise InvalidToken("another scheme than Bearer and DPoP")
    if found is not None or not token or not token.isascii() or b" " in token:
        raise InvalidRequest("two tokens, or a malformed one")
    return scheme, token.decode()


def _challenge(error: OAuthError, scheme: bytes) -> bytes:
    beginning = _DPOP if scheme == b"dpop" else _BEARER
    return beginning + f', error="{error.code}", error_description="{error.description}"'.encode()
