"""Sign-in with a browser on the same machine: authorization code with PKCE and a loopback redirect (RFC 8252, 7636).

A listener on 127.0.0.1 waits for the browser to come back. It takes the first callback that carries our `state`, and
answers everything else without being disturbed by it.
"""

import asyncio
import hmac
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from lib_two.errors import IssuerUnavailable, NoBrowser, OAuthError, TokenError
from lib_two.loopback import Listener
from lib_two.oauth_client import OAuthClient, TokenSet


async def sign_in(
    client: OAuthClient,
    *,
    scope: str,
    open_browser: Callable[[str], bool],
    timeout: float = 300,
    max_age: int | None = None,
    acr_values: tuple[str, ...] = (),
) -> TokenSet:
    """Send the person to the issuer's pages and wait for the tokens.

    Args:
        client: Who asks.
        scope: What for, separated by spaces; with `openid`, an ID token comes along and is validated.
        open_browser: Shows an address to the person, such as `webbrowser.open`. Called in a thread; `False` means that
            it cannot.
        timeout: Seconds that the person has.
        max_age: Seconds since the person signed in, at most; else they are asked for it again (`StepUpNeeded`).
        acr_values: Authentication contexts, one of which the sign-in must reach (`StepUpNeeded`).

    Raises:
        NoBrowser: `open_browser` said `False`.
        OAuthError: the issuer or the person said no, the answer was forged, or time ran out (`expired_token`).
        IssuerUnavailable: the issuer does not answer sensibly.
    """
    document = await client.metadata.document()
    authorization_endpoint = await client.metadata.endpoint("authorization_endpoint")
    if "S256" not in (document.get("code_challenge_methods_supported") or ()):
        raise IssuerUnavailable(f"{client.issuer} does not offer PKCE with S256, which this client insists on")
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    nonce = secrets.token_urlsafe(24) if "openid" in scope.split() else None
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    async with Listener(
        accepts=lambda query: hmac.compare_digest(query.get("state", "").encode(), state.encode())
    ) as listener:
        parameters = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": listener.redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"nonce": nonce} if nonce else {}),
            **({"dpop_jkt": client.prover.jkt} if client.prover else {}),
            **({} if max_age is None else {"max_age": str(max_age)}),
            **({"acr_values": " ".join(acr_values)} if acr_values else {}),
        }
        separator = "&" if "?" in authorization_endpoint else "?"
        try:
            async with asyncio.timeout(timeout):
                query = await _callback(
                    listener, open_browser, authorization_endpoint + separator + urlencode(parameters)
                )
        except TimeoutError as error:
            raise OAuthError("expired_token", f"Nobody signed in within {timeout:.0f} seconds") from error
        try:
            code = _code(query, client.issuer, bool(document.get("authorization_response_iss_parameter_supported")))
            tokens = await client.exchange_code(
                code, redirect_uri=listener.redirect_uri, code_verifier=verifier, nonce=nonce
            )
        except TokenError as error:
            await listener.answer(problem=str(error))
            raise
        await listener.answer(problem=None)
        return tokens


async def _callback(listener: Listener, open_browser: Callable[[str], bool], url: str) -> dict[str, str]:
    """Open the browser and wait for it to come back, in whatever order that happens."""
    opened = _in_a_thread(lambda: open_browser(url))
    try:
        waits: set[asyncio.Future[Any]] = {listener.accepted, opened}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not listener.accepted.done() and not opened.result():
            raise NoBrowser
        return await listener.accepted
    finally:
        opened.cancel()


def _in_a_thread(work: Callable[[], bool]) -> "asyncio.Future[bool]":
    """Run in a daemon thread: some browsers block until they are closed, and must not keep the program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bool] = loop.create_future()

    def settle(result: bool, error: Exception | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result, fault = False, None
        try:
            result = work()
        except Exception as error:
            fault = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, fault)

    threading.Thread(target=run, daemon=True, name="browser").start()
    return future


def _code(query: dict[str, str], issuer: str, iss_advertised: bool) -> str:
    """The code in an authorization response that has our `state`. Errors count only if they come from our issuer."""
    iss = query.get("iss")
    # RFC 9207 section 2.4: required when the issuer says that it sends it; if it is there, it must be ours in any case.
    if (iss is None and iss_advertised) or (iss is not None and iss != issuer):
        raise OAuthError("invalid_response", "The answer came from another issuer than the one that was asked")
    if "error" in query:
        raise OAuthError(query["error"], query.get("error_description"))
    code = query.get("code")
    if not code:
        raise OAuthError("invalid_response", "The issuer's answer had neither a code nor an error")
    return code
