"""Somebody's session at an API: an access token whenever one is needed, and requests that carry it.

`Session` is for people: its tokens lie in a `TokenStore`, and are refreshed there, by one process at a time.
`ClientSession` is for machines: it gets its tokens by client credentials and keeps them in memory.

This module is on the path of commands that must start fast: httpx and what stands on it are imported when needed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lib_one.event import Now, utc_now
from lib_two.errors import IssuerUnavailable, OAuthError, SignInNeeded, StoreError
from lib_two.token_store import TokenSet, TokenStore

if TYPE_CHECKING:
    from lib_one.http import AsyncClient, Response
    from lib_two.bus import Pass
    from lib_two.dpop import Prover
    from lib_two.oauth_client import OAuthClient

MIN_LIFE = timedelta(seconds=30)
"""A token with less life than this is refreshed before it is used."""

_LOCK_PATIENCE = 30.0
"""Seconds to wait for another process that refreshes; it gives up sooner, when the issuer does not answer."""


class _Authorized:
    """What both kinds of session have in common: requests with a token."""

    def __init__(
        self, issuer: str, client_id: str, *, now: Now, http: "AsyncClient | None", oauth: "Callable[[], OAuthClient]"
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._now = now
        self._http = http
        self._owns_http = http is None
        self._make_oauth = oauth
        self._oauth: OAuthClient | None = None
        self._tokens: TokenSet | None = None
        self._proving: tuple[bytes, Prover] | None = None

    @property
    def oauth(self) -> "OAuthClient":
        """The client at the issuer. Made when first asked for."""
        if self._oauth is None:
            self._oauth = self._make_oauth()
        return self._oauth

    @property
    def http(self) -> "AsyncClient":
        """The HTTP client for the API. Made when first asked for."""
        if self._http is None:
            from lib_one import http as web

            self._http = web.client()
        return self._http

    async def access_token(self, min_life: timedelta = MIN_LIFE, *, rejected: str | None = None) -> str:
        """An access token that lives for `min_life` at least, and is not `rejected` (which the API refused).

        Raises:
            SignInNeeded: there is none, and none can be had without somebody signing in.
            OAuthError: the issuer says no for another reason.
            IssuerUnavailable: one is needed and the issuer does not answer.
            StoreError: the kept tokens cannot be read or written.
        """
        raise NotImplementedError

    @property
    def expires_at(self) -> datetime | None:
        """When the token that was given last ends; None before the first."""
        return None if self._tokens is None else self._tokens.expires_at

    async def authorization(self, method: str, url: str, *, rejected: str | None = None) -> dict[str, str]:
        """The headers that let one request to the API in: the token, and for a bound one a proof (RFC 9449).

        Raises:
            TokenError: as `access_token` says.
        """
        token = await self.access_token(rejected=rejected)
        prover = self._prover(self._tokens)
        if prover is None:
            return {"Authorization": f"Bearer {token}"}
        target = str(self.http.build_request(method, url).url)
        proof = prover.proof(method, target, now=self._now(), access_token=token)
        return {"Authorization": f"DPoP {token}", "DPoP": proof}

    async def bus_pass(self) -> "Pass":
        """What lets a connection to the bus in: the token, and for a bound one the way to prove it.

        Raises:
            TokenError: as `access_token` says.
        """
        from lib_two.bus import METHOD, Pass

        token = await self.access_token()
        prover = self._prover(self._tokens)
        if prover is None:
            return Pass(token, self.expires_at)

        def prove(address: str, nonce: str) -> str:
            return prover.proof(METHOD, address, now=self._now(), access_token=token, nonce=nonce)

        return Pass(token, self.expires_at, prove)

    def heed(self, response: "Response") -> bool:
        """Take note of a nonce in a response. True if it was refused for want of that: send the request again."""
        prover = self._prover(self._tokens)
        return prover is not None and prover.heed(response)

    def _prover(self, tokens: TokenSet | None) -> "Prover | None":
        """The key that tokens are bound to; it remembers the nonces that servers gave."""
        key = None if tokens is None else tokens.proof_key
        if key is None:
            return None
        if self._proving is None or self._proving[0] != key:
            from lib_two.dpop import Prover

            self._proving = key, Prover.from_bytes(key)
        return self._proving[1]

    async def request(self, method: str, url: str, **options: Any) -> "Response":
        """A request to the API with the token; `options` as in httpx. A refused token is replaced once.

        The request is then sent again, so its body must not be a generator.

        Returns the response if its status is below 400.

        Raises:
            ApiError: the API says no.
            TransportError: it does not answer (of `lib_one.http`).
            StepUpNeeded: the API wants its person to sign in again for this (RFC 9470).
            SignInNeeded: and what else `access_token` raises.
        """
        from lib_two.problem import api_error, step_up

        headers = dict(options.pop("headers", None) or {})

        async def send(rejected: str | None = None) -> "Response":
            headers.update(await self.authorization(method, url, rejected=rejected))
            return await self.http.request(method, url, headers=headers, **options)

        response = await send()
        if self.heed(response):
            response = await send()
        if response.status_code == 401:
            wanted = step_up(response)
            if wanted is not None:
                raise wanted  # a refreshed token would say the same about its person
            response = await send(rejected=headers["Authorization"].partition(" ")[2])
        if response.status_code >= 400:
            raise api_error(response)
        return response

    async def aclose(self) -> None:
        """Close the connections that are our own."""
        if self._oauth is not None:
            await self._oauth.aclose()
        if self._http is not None and self._owns_http:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class Session(_Authorized):
    """A person's session with one client at one issuer. What `token_store` keeps is the session."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        store: TokenStore,
        *,
        now: Now = utc_now,
        http: "AsyncClient | None" = None,
        oauth: "Callable[[], OAuthClient] | None" = None,
    ) -> None:
        """`http` (used, not owned) carries the API's requests; `oauth` makes the client at the issuer, when needed."""
        super().__init__(issuer, client_id, now=now, http=http, oauth=oauth or self._public_client)
        self.store = store
        self._refreshing: asyncio.Task[TokenSet] | None = None

    async def access_token(self, min_life: timedelta = MIN_LIFE, *, rejected: str | None = None) -> str:
        tokens = self._tokens or self.store.load(self.issuer, self.client_id)
        if tokens is None:
            raise SignInNeeded
        if not self._usable(tokens, min_life, rejected):
            if self._refreshing is None or self._refreshing.done():
                self._refreshing = asyncio.ensure_future(self._refresh(min_life, rejected))
                # If all who wait give up, nobody else looks at how it ended.
                self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
            # Shielded: between the answer and the file, a rotated refresh token must not be lost to a cancellation.
            tokens = await asyncio.shield(self._refreshing)
        self._tokens = tokens
        return tokens.access_token

    def keep(self, tokens: TokenSet) -> None:
        """Begin (or replace) the session with the tokens of a sign-in."""
        self.store.save(self.issuer, self.client_id, tokens)
        self._tokens = tokens

    async def aclose(self) -> None:
        """Close the connections that are our own, once a refresh under way has been kept."""
        if self._refreshing is not None:
            await asyncio.wait({self._refreshing})
        await super().aclose()

    async def sign_out(self) -> None:
        """Revoke the tokens at the issuer, then forget them here. They are forgotten even if the issuer is away.

        Raises:
            IssuerUnavailable: forgotten here, but the issuer could not be told: the tokens live until they expire.
            OAuthError: the same, but the issuer said no.
        """
        # Under the lock: a process that refreshes at this moment would bring the session back.
        async with self._locked():
            try:
                tokens = self.store.load(self.issuer, self.client_id)
                if tokens is not None and tokens.refresh_token is not None:
                    await self.oauth.revoke(tokens.refresh_token)
                elif tokens is not None:
                    await self.oauth.revoke(tokens.access_token, hint="access_token")
            finally:
                self._tokens = None
                self.store.forget(self.issuer, self.client_id)

    def _usable(self, tokens: TokenSet, min_life: timedelta, rejected: str | None) -> bool:
        return tokens.access_token != rejected and tokens.expires_at - self._now() >= min_life

    async def _refresh(self, min_life: timedelta, rejected: str | None) -> TokenSet:
        """Refresh under the store's lock; if another process did while we waited, take what it got."""
        async with self._locked():
            tokens = self.store.load(self.issuer, self.client_id)
            if tokens is None:
                self._tokens = None
                raise SignInNeeded
            if self._usable(tokens, min_life, rejected):
                return tokens
            if tokens.refresh_token is None:
                raise SignInNeeded("Your sign-in has ended.")
            if tokens.proof_key is not None:
                self.oauth.prover = self._prover(tokens)
            try:
                fresh = await self.oauth.refresh(tokens.refresh_token)
            except IssuerUnavailable:
                if self._usable(tokens, timedelta(seconds=1), rejected):
                    return tokens  # not much life left, but the issuer has no better one at the moment
                raise
            except OAuthError as error:
                if error.code != "invalid_grant":
                    raise
                self._tokens = None
                if self.store.load(self.issuer, self.client_id) == tokens:  # else somebody has just signed in anew
                    self.store.forget(self.issuer, self.client_id)
                raise SignInNeeded("Your sign-in has ended or was revoked.") from error
            self.store.save(self.issuer, self.client_id, fresh)
            return fresh

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Hold the store's lock, without keeping the event loop from its work meanwhile."""
        from filelock import Timeout

        lock = self.store.lock(self.issuer, self.client_id)
        try:
            async with asyncio.timeout(_LOCK_PATIENCE):
                while True:
                    try:
                        lock.acquire(blocking=False)
                        break
                    except Timeout:
                        await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise StoreError("Another program has been at your sign-in for too long. Try again.") from error
        except OSError as error:
            raise StoreError(f"{self.store.directory} cannot be written: {error.strerror}.") from error
        try:
            yield
        finally:
            lock.release()

    def _public_client(self) -> "OAuthClient":
        from lib_two.oauth_client import OAuthClient

        return OAuthClient(self.issuer, self.client_id, now=self._now)


class ClientSession(_Authorized):
    """A machine's session, by client credentials (RFC 6749 section 4.4). Tokens stay in memory."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str,
        *,
        scope: str,
        now: Now = utc_now,
        http: "AsyncClient | None" = None,
        bound: bool = False,
    ) -> None:
        """`bound`: the tokens are bound to a key of this session's own (RFC 9449)."""
        super().__init__(issuer, client_id, now=now, http=http, oauth=self._confidential_client)
        self._secret = client_secret
        self._scope = scope
        self._bound = bound
        self._lock = asyncio.Lock()

    async def access_token(self, min_life: timedelta = MIN_LIFE, *, rejected: str | None = None) -> str:
        async with self._lock:
            tokens = self._tokens
            if tokens is None or tokens.access_token == rejected or tokens.expires_at - self._now() < min_life:
                tokens = self._tokens = await self.oauth.client_credentials(self._scope)
            return tokens.access_token

    def _confidential_client(self) -> "OAuthClient":
        from lib_two.oauth_client import OAuthClient

        prover = None
        if self._bound:
            from lib_two.dpop import Prover

            prover = Prover.new()
        return OAuthClient(self.issuer, self.client_id, client_secret=self._secret, now=self._now, prover=prover)
