"""The public keys of clients: in their metadata, or at their `jwks_uri` (RFC 7591 section 2)."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from auth_svc.keys import JwkError, Jws, PublicKey, key_fits, public_key, thumbprint, verify
from lib_one.event import Now
from lib_one.http import AsyncClient, HTTPError, InvalidURL
from lib_one.observe import get_logger

MOST_KEYS = 32
"""More are not looked at: a client has two, one of them on its way in or out."""
PATIENCE = timedelta(seconds=30)
"""Between two fetches of one address, whatever asks for it: a wrong `kid` must not make this server a hammer."""
_SHORTEST, _USUAL, _LONGEST = timedelta(minutes=1), timedelta(minutes=10), timedelta(days=1)
"""How long fetched keys are believed: `max-age` within these bounds. A key that the client withdrew is good so long."""
_STALE = timedelta(hours=1)
"""How much longer they are believed while the address does not answer."""
_MOST_SETS = 10_000
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])")

_log = get_logger(__name__)
_read = msgspec.json.Decoder(dict[str, Any]).decode


class KeyHolder(Protocol):
    """Whoever says where its public keys are."""

    @property
    def jwks(self) -> dict[str, Any] | None:
        """They themselves."""
        ...

    @property
    def jwks_uri(self) -> str | None:
        """Their address."""
        ...


class _Key(msgspec.Struct, frozen=True):
    key: PublicKey
    key_id: object
    algorithm: object


class _Fetched(msgspec.Struct):
    keys: tuple[_Key, ...]
    fresh_until: datetime
    stale_until: datetime
    asked_at: datetime


type _Pick = Callable[[tuple[_Key, ...]], PublicKey | None]


class ClientKeys:
    """The keys of clients: they check signatures, and stand in certificates.

    Fetched keys are cached, and fetched again for one that is not among them.
    """

    def __init__(self, outside: AsyncClient, now: Now) -> None:
        self._outside = outside
        self._now = now
        self._inline: dict[str, tuple[dict[str, Any], tuple[_Key, ...]]] = {}
        self._fetched: dict[str, _Fetched] = {}
        self._fetching: dict[str, asyncio.Lock] = {}

    async def verify(self, client_id: str, client: KeyHolder, jws: Jws) -> bool:
        """Whether a key of this client made the signature, by the algorithm that the header names.

        Without a `kid` the client must have one key that fits and no other (OIDC Core section 10.1).
        """
        found = await self._find(client_id, client, lambda keys: _fitting(keys, jws))
        return found is not None and verify(found, jws.signature, jws.signed, jws.algorithm)

    async def has(self, client_id: str, client: KeyHolder, key: PublicKey) -> bool:
        """Whether a key is one of this client's (RFC 8705 section 2.2.2)."""
        wanted = thumbprint(key)

        def pick(keys: tuple[_Key, ...]) -> PublicKey | None:
            return next((held.key for held in keys if thumbprint(held.key) == wanted), None)

        return await self._find(client_id, client, pick) is not None

    async def _find(self, client_id: str, client: KeyHolder, pick: _Pick) -> PublicKey | None:
        if client.jwks is not None:
            return pick(self._of_metadata(client_id, client.jwks))
        return None if client.jwks_uri is None else await self._at(client.jwks_uri, pick)

    def _of_metadata(self, client_id: str, jwks: dict[str, Any]) -> tuple[_Key, ...]:
        known = self._inline.get(client_id)
        if known is not None and known[0] == jwks:
            return known[1]
        if len(self._inline) >= _MOST_SETS:
            self._inline.clear()
        keys = usable_keys(jwks)
        self._inline[client_id] = (jwks, keys)
        return keys

    async def _at(self, uri: str, pick: _Pick) -> PublicKey | None:
        held, now = self._fetched.get(uri), self._now()
        if held is not None and now < held.fresh_until:
            found = pick(held.keys)
            if found is not None or now < held.asked_at + PATIENCE:
                return found
        lock = self._fetching.setdefault(uri, asyncio.Lock())
        try:
            async with lock:
                if self._fetched.get(uri) is held and (held is None or now >= held.asked_at + PATIENCE):
                    await self._fetch(uri)
        finally:
            if not lock.locked():
                self._fetching.pop(uri, None)
        held = self._fetched.get(uri)
        return pick(held.keys) if held is not None and now < held.stale_until else None

    async def _fetch(self, uri: str) -> None:
        now, held = self._now(), self._fetched.get(uri)
        try:
            response = await self._outside.get(uri, headers={"accept": "application/jwk-set+json, application/json"})
            if response.status_code != 200:
                raise ValueError(f"status {response.status_code}")
            keys = usable_keys(_read(response.content))
        except (HTTPError, InvalidURL, ValueError, RecursionError) as error:
            _log.warning(
                "keys of a client could not be fetched", uri=uri[:200], error=f"{type(error).__name__}: {error}"
            )
            if held is None:
                self._keep(uri, _Fetched((), now, now, asked_at=now))
            else:
                held.asked_at = now
            return
        fresh_until = now + freshness(response.headers.get("cache-control", ""))
        self._keep(uri, _Fetched(keys, fresh_until, fresh_until + _STALE, asked_at=now))

    def _keep(self, uri: str, fetched: _Fetched) -> None:
        if len(self._fetched) >= _MOST_SETS and uri not in self._fetched:
            self._fetched.pop(next(iter(self._fetched)))
        self._fetched[uri] = fetched


def usable_keys(jwks: dict[str, Any]) -> tuple[_Key, ...]:
    """Read the keys of a JWK Set that can check signatures; others are passed over (RFC 7517 section 5).

    Raises:
        ValueError: it is no JWK Set.
    """
    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise ValueError("no JWK Set")
    keys = []
    for jwk in listed[:MOST_KEYS]:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
            continue
        operations = jwk.get("key_ops", ["verify"])
        if not isinstance(operations, list) or "verify" not in operations:
            continue
        try:
            keys.append(_Key(public_key(jwk), jwk.get("kid"), jwk.get("alg")))
        except JwkError:
            continue
    return tuple(keys)


def freshness(cache_control: str) -> timedelta:
    """How long something fetched is believed, by its `Cache-Control` (RFC 9111 section 5.2)."""
    text = cache_control.lower()
    if "no-store" in text or "no-cache" in text:
        return _SHORTEST
    found = _MAX_AGE.search(text)
    return _USUAL if found is None else min(max(timedelta(seconds=int(found[1])), _SHORTEST), _LONGEST)


def _fitting(keys: tuple[_Key, ...], jws: Jws) -> PublicKey | None:
    wanted = jws.header.get("kid")
    found = [
        held.key
        for held in keys
        if (wanted is None or held.key_id == wanted)
        and held.algorithm in {None, jws.algorithm}
        and key_fits(held.key, jws.algorithm)
    ]
    return found[0] if len(found) == 1 else None
