"""What an issuer says about itself: its metadata document and its keys, cached.

Both documents are fetched once for all who ask at the same time, kept for ten minutes, and kept longer while the
issuer does not answer. A key id that is not known makes the keys be fetched again, but not more often than every few
seconds: whoever sends tokens with made-up key ids must not turn this service into a flood at the issuer.
"""

import asyncio
import ipaddress
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from lib_one import http as web
from lib_one.event import Now, utc_now
from lib_two.errors import IssuerUnavailable

type VerificationKey = RSAKey | ECKey | OKPKey
"""A public key. There is no `oct` among them, so an HMAC with a public key as its secret cannot come up."""

_FRESH = timedelta(minutes=10)
_STALE = timedelta(hours=24)
_AGAIN = timedelta(seconds=5)
"""How long a set of keys is taken to be complete, and how long a failed fetch is not repeated for another unknown key.
A key is published before it signs, so a set that is this young and lacks the key settles it."""
_FIRST_AGAIN = timedelta(seconds=0.5)
"""The same while nothing was fetched yet, as when services start in any order."""
_TIMEOUT = 5.0
"""Seconds for a document, from the question to its last byte."""
_LIMIT = 262_144
"""Bytes of a document, at most."""


class _Document[T]:
    """One cached document: single flight, kept when a fetch fails."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._flight: asyncio.Task[T] | None = None
        self._fetched_at = -1e9
        self._failed_at = -1e9
        self.value: T | None = None

    def age(self) -> float:
        return self._monotonic() - self._fetched_at

    def since_failure(self) -> float:
        return self._monotonic() - self._failed_at

    async def get(self, *, max_age: timedelta) -> T:
        """The document, fetched if it is older than `max_age`. A stale one is good enough when that fails."""
        if self.value is not None and self.age() < max_age.total_seconds():
            return self.value
        # While the issuer is away, it is not asked again for every call.
        if self.since_failure() < (_AGAIN if self.value is not None else _FIRST_AGAIN).total_seconds():
            return self._stale(None)
        if self._flight is None or self._flight.done():
            self._flight = asyncio.ensure_future(self._load())
            # If all who wait give up, nobody else looks at how it ended.
            self._flight.add_done_callback(lambda flight: flight.cancelled() or flight.exception())
        try:
            return await asyncio.shield(self._flight)  # one caller that gives up does not fail the others
        except IssuerUnavailable as error:
            return self._stale(error)

    async def _load(self) -> T:
        try:
            self.value = await self._fetch()
        except BaseException:
            self._failed_at = self._monotonic()
            raise
        self._fetched_at = self._monotonic()
        self._failed_at = -1e9
        return self.value

    def _stale(self, error: IssuerUnavailable | None) -> T:
        if self.value is not None and self.age() < _STALE.total_seconds():
            return self.value
        raise error or IssuerUnavailable("the issuer does not answer")


class IssuerMetadata:
    """Discovery and keys of one issuer (RFC 8414, OpenID Connect Discovery 1.0, RFC 7517)."""

    def __init__(
        self,
        issuer: str,
        http: web.AsyncClient,
        *,
        now: Now = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`http` is used, not owned. Raises ValueError for an issuer that is neither https nor on loopback."""
        check_url(issuer)
        parts = urlsplit(issuer)
        if parts.query or parts.fragment or issuer.endswith("/"):
            raise ValueError(f"the issuer {issuer!r} must have no query, no fragment and no trailing slash")
        self.issuer = issuer
        self.now = now
        self._http = http
        self._document = _Document(self._fetch_document, monotonic)
        self._keys = _Document(self._fetch_keys, monotonic)

    @property
    def keys_age(self) -> float | None:
        """Seconds since the keys were fetched; None before."""
        return None if self._keys.value is None else self._keys.age()

    async def document(self) -> Mapping[str, Any]:
        """The metadata. Its `issuer` is identical to the one that was asked for (RFC 8414 section 3.3).

        Raises:
            IssuerUnavailable: it cannot be had, or is not the document of this issuer.
        """
        return await self._document.get(max_age=_FRESH)

    async def endpoint(self, name: str) -> str:
        """The URL under `name`, such as `token_endpoint`.

        Raises:
            IssuerUnavailable: the issuer has none, or one that is neither https nor on loopback.
        """
        url = (await self.document()).get(name)
        if not isinstance(url, str):
            raise IssuerUnavailable(f"{self.issuer} has no {name}")
        try:
            check_url(url)
        except ValueError as error:
            raise IssuerUnavailable(f"{self.issuer}: {error}") from error
        return url

    async def key(self, kid: str) -> VerificationKey | None:
        """The key with this id, or `None` if the issuer has none for signatures.

        Raises:
            IssuerUnavailable: the key is not known here and the issuer cannot be asked.
        """
        keys = await self._keys.get(max_age=_FRESH)
        if kid in keys:
            return keys[kid]
        if self._keys.since_failure() < _AGAIN.total_seconds():
            raise IssuerUnavailable("the issuer's keys cannot be fetched")
        keys = await self._keys.get(max_age=_AGAIN)
        if kid not in keys and self._keys.age() >= _AGAIN.total_seconds():
            raise IssuerUnavailable("the issuer's keys cannot be fetched")
        return keys.get(kid)

    async def _fetch_document(self) -> dict[str, Any]:
        parts = urlsplit(self.issuer)
        inserted = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
        status, document = await self._get(f"{self.issuer}/.well-known/openid-configuration")
        if status == 404:
            status, document = await self._get(inserted)
        if status != 200 or not isinstance(document, dict):
            raise IssuerUnavailable(f"{self.issuer} has no metadata (status {status})")
        if document.get("issuer") != self.issuer:
            raise IssuerUnavailable(f"{self.issuer} says that it is {str(document.get('issuer'))[:200]!r}")
        return document

    async def _fetch_keys(self) -> dict[str, VerificationKey]:
        status, document = await self._get(await self.endpoint("jwks_uri"))
        if status != 200 or not isinstance(document, dict) or not isinstance(document.get("keys"), list):
            raise IssuerUnavailable(f"{self.issuer} has no key set (status {status})")
        keys: dict[str, VerificationKey] = {}
        for entry in document["keys"]:
            kid = entry.get("kid") if isinstance(entry, dict) else None
            # RFC 7517 section 5: what is not understood is ignored, not an error.
            if not isinstance(kid, str) or entry.get("use", "sig") != "sig" or entry.get("kty") not in _KEY_TYPES:
                continue
            if "key_ops" in entry and "verify" not in (entry["key_ops"] or ()):
                continue
            try:
                key = JWKRegistry.import_key({name: entry[name] for name in entry if name in _PUBLIC_MEMBERS})
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            if isinstance(key, RSAKey) and key.raw_value.key_size < 2048:  # RFC 7518 section 3.3
                continue
            if isinstance(key, RSAKey | ECKey | OKPKey):
                keys[kid] = key
        return keys

    async def _get(self, url: str) -> tuple[int, Any]:
        """Status and JSON body (`None` when it is none), at most `_LIMIT` bytes of it."""
        try:
            async with (
                asyncio.timeout(_TIMEOUT),
                self._http.stream("GET", url, headers={"Accept": "application/json"}) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LIMIT:
                        raise IssuerUnavailable(f"{url} is too large")
        except (web.HTTPError, TimeoutError) as error:
            raise IssuerUnavailable(f"{url}: {error!r}") from error
        try:
            return response.status_code, json.loads(bytes(body))
        except (ValueError, RecursionError):
            return response.status_code, None


_KEY_TYPES = ("RSA", "EC", "OKP")
_PUBLIC_MEMBERS = frozenset({"kty", "kid", "use", "alg", "key_ops", "n", "e", "crv", "x", "y"})
"""Private members of a key are dropped: a key that somebody published by mistake still only verifies here."""


def check_url(url: str) -> None:
    """Raise ValueError unless `url` is https, or http on loopback, without user information."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host and parts.username is None:
        return
    if parts.scheme == "http" and parts.username is None and is_loopback(host):
        return
    raise ValueError(f"{url[:200]!r} must be https (http on loopback only)")


def is_loopback(host: str) -> bool:
    """True for `localhost` and the loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
