"""An OAuth client at its authorization server: the requests of the back channel (RFC 6749, 7009, OpenID Connect).

This stands on the house's HTTP client rather than on Authlib's `AsyncOAuth2Client`: that one is an HTTP client itself,
with time-outs and limits of its own and a deprecation warning at each import beside httpx; it takes `expires_in` and
`scope` unchecked, and a request that it repeats may use up a rotated refresh token. Authlib's checks of ID token
claims are used (`lib_two.id_token`).
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from lib_one import http as web
from lib_one.event import Now, utc_now
from lib_two.client_authentication import basic
from lib_two.dpop import Prover
from lib_two.errors import IssuerUnavailable, OAuthError
from lib_two.metadata import IssuerMetadata
from lib_two.token_store import TokenSet

__all__ = ["OAuthClient", "TokenSet"]


class OAuthClient:
    """One client (application) at one issuer. A client without a secret is public (RFC 6749 section 2.1).

    Every method raises `OAuthError` when the issuer says no and `IssuerUnavailable` when it does not answer sensibly.
    Use it as an async context manager, or call `aclose()`.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        client_secret: str | None = None,
        http: web.AsyncClient | None = None,
        now: Now = utc_now,
        prover: Prover | None = None,
    ) -> None:
        """`http`, if given, is used and not owned. With a `prover`, tokens are bound to its key (RFC 9449).

        Raises:
            ValueError: the issuer is no safe URL.
        """
        self.issuer = issuer
        self.client_id = client_id
        self.now = now
        self.prover = prover
        """The key that tokens are bound to from now on; None: whoever has them may use them."""
        self._secret = client_secret
        self._owns_http = http is None
        self._http = http if http is not None else web.client()
        self.metadata = IssuerMetadata(issuer, self._http, now=now)

    async def exchange_code(
        self, code: str, *, redirect_uri: str, code_verifier: str, nonce: str | None = None
    ) -> TokenSet:
        """Tokens for an authorization code (RFC 6749 section 4.1.3, RFC 7636). An ID token is validated."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        return await self.token(form, nonce=nonce)

    async def refresh(self, refresh_token: str) -> TokenSet:
        """Fresh tokens (RFC 6749 section 6). The old refresh token is used up: keep the new one at once."""
        tokens = await self.token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        if tokens.refresh_token is None:  # not rotated: the old one stays good
            return TokenSet(
                access_token=tokens.access_token,
                token_type=tokens.token_type,
                expires_at=tokens.expires_at,
                scope=tokens.scope,
                refresh_token=refresh_token,
                id_token=tokens.id_token,
                proof_key=tokens.proof_key,
            )
        return tokens

    async def client_credentials(self, scope: str) -> TokenSet:
        """A token for the client itself (RFC 6749 section 4.4)."""
        return await self.token({"grant_type": "client_credentials", "scope": scope}, scope=scope)

    async def revoke(self, token: str, *, hint: str = "refresh_token") -> None:
        """Make the issuer forget a token (RFC 7009). A refresh token takes all that came of its grant with it."""
        await self.post("revocation_endpoint", {"token": token, "token_type_hint": hint}, expect_json=False)

    async def userinfo(self, access_token: str) -> dict[str, Any]:
        """What the issuer tells about the person behind a token (OpenID Connect Core section 5.3)."""
        url = await self.metadata.endpoint("userinfo_endpoint")
        scheme = "Bearer" if self.prover is None else "DPoP"
        response = await self._send("GET", url, {"Authorization": f"{scheme} {access_token}"}, access_token)
        if response.status_code in (401, 403):
            raise OAuthError(
                "invalid_token", "The issuer does not accept the access token", status=response.status_code
            )
        return _json_object(response)

    async def token(self, form: Mapping[str, str], *, scope: str = "", nonce: str | None = None) -> TokenSet:
        """Any request to the token endpoint. `scope` is what was asked for, in case the answer does not say.

        Never repeated here: what it presents may be good for one use only.
        """
        asked_at = self.now()  # before the request, so that the token is never thought to live longer than it does
        answer = await self.post("token_endpoint", form)
        access_token, token_type = answer.get("access_token"), answer.get("token_type")
        expires_in, granted = answer.get("expires_in", 0), answer.get("scope", scope)
        refresh_token, id_token = answer.get("refresh_token"), answer.get("id_token")
        if (
            not isinstance(access_token, str)
            or not isinstance(token_type, str)
            or token_type.lower() != ("bearer" if self.prover is None else "dpop")
            or isinstance(expires_in, bool)
            or not isinstance(expires_in, int | float)
            or not 0 <= expires_in < 1e9
            or not isinstance(granted, str)
            or not isinstance(refresh_token, str | None)
            or not isinstance(id_token, str | None)
        ):
            raise IssuerUnavailable(f"{self.issuer} gave an answer that is no token response (RFC 6749 section 5.1)")
        if id_token is not None:
            from lib_two import id_token as id_tokens

            await id_tokens.validate(
                id_token, metadata=self.metadata, client_id=self.client_id, access_token=access_token, nonce=nonce
            )
        elif nonce is not None:
            raise OAuthError("invalid_token", "The issuer gave no ID token although it was asked for one")
        return TokenSet(
            access_token=access_token,
            token_type="Bearer" if self.prover is None else "DPoP",
            expires_at=asked_at + timedelta(seconds=expires_in),
            scope=granted,
            refresh_token=refresh_token,
            id_token=id_token,
            proof_key=None if self.prover is None else self.prover.to_bytes(),
        )

    async def post(self, endpoint: str, form: Mapping[str, str], *, expect_json: bool = True) -> dict[str, Any]:
        """A form to an endpoint named as in the metadata, authenticated as this client.

        Raises:
            OAuthError: an error answer of RFC 6749 section 5.2.
            IssuerUnavailable: no answer, or one that is neither.
        """
        url = await self.metadata.endpoint(endpoint)
        headers = {"Accept": "application/json"}
        if self._secret is None:
            form = {**form, "client_id": self.client_id}
        else:
            headers["Authorization"] = basic(self.client_id, self._secret)
        if endpoint == "token_endpoint":
            response = await self._send("POST", url, headers, None, data=dict(form))
        else:
            response = await self._sent("POST", url, headers, data=dict(form))
        if response.status_code != 200:
            raise _error(response)
        return _json_object(response) if expect_json else {}

    async def _send(
        self, method: str, url: str, headers: dict[str, str], access_token: str | None, **options: Any
    ) -> web.Response:
        """A request with a proof, if there is a key. Once more if the issuer wants a nonce: then nothing was used."""
        if self.prover is None:
            return await self._sent(method, url, headers, **options)
        prover = self.prover

        async def send() -> web.Response:
            headers["DPoP"] = prover.proof(method, url, now=self.now(), access_token=access_token)
            return await self._sent(method, url, headers, **options)

        response = await send()
        return await send() if prover.heed(response) else response

    async def _sent(self, method: str, url: str, headers: dict[str, str], **options: Any) -> web.Response:
        try:
            return await self._http.request(method, url, headers=headers, **options)
        except web.HTTPError as error:
            raise IssuerUnavailable(f"{url}: {error!r}") from error

    async def aclose(self) -> None:
        """Close the connections, if they are our own."""
        if self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _json_object(response: web.Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise IssuerUnavailable(f"{response.url} did not answer with JSON (status {response.status_code})") from error
    if response.status_code != 200 or not isinstance(answer, dict):
        raise IssuerUnavailable(f"{response.url} gave an odd answer (status {response.status_code})")
    return answer


def _error(response: web.Response) -> OAuthError | IssuerUnavailable:
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    code = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(code, str) or response.status_code >= 500:
        return IssuerUnavailable(f"{response.url} answered with status {response.status_code}")
    description = answer.get("error_description")
    return OAuthError(code, description if isinstance(description, str) else None, status=response.status_code)
