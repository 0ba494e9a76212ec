"""private_key_jwt: a client proves who it is with a JWT that it signed (RFC 7523, OIDC Core section 9).

The order of checks, none of which tells the caller which one failed:

1  the form has the one type that is known, and a compact JWS
2  `iss` and `sub` are the same client, and `client_id` in the form as well
3  the client is registered for private_key_jwt, and for this algorithm
4  `aud` is our issuer identifier, as a string, and nothing else (RFC 7523bis section 4)
5  `exp` is in the future and not far; `iat` and `nbf` are not ahead of us
6  one of the client's keys made the signature
7  `jti` was never used by this client; using it up is one statement
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from auth_svc.clients import store
from auth_svc.clients.client_keys import ClientKeys
from auth_svc.clients.store import Client, Clients
from auth_svc.db import Ledger
from auth_svc.errors import InvalidClient
from auth_svc.keys import FOREIGN_ALGORITHMS, Jws, MalformedJwsError, parse_jws
from auth_svc.wire import Form

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PRIVATE_KEY_JWT = "private_key_jwt"
ASSERTION_ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA", "Ed25519")
"""RS256 is not for clients under the rules of FAPI 2.0 (section 5.4.1)."""
LONGEST_LIFE = timedelta(hours=1)
"""How far ahead `exp` may be: what common libraries write. A used `jti` is remembered for so long."""
AHEAD = timedelta(seconds=30)
"""By how much the client's clock may be ahead (FAPI 2.0 section 5.3.2.1: 10 seconds at least, 60 at most)."""
_EDDSA = frozenset({"EdDSA", "Ed25519"})
_LONGEST_JTI = 512


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    aud: Any
    exp: int | float
    jti: str
    iat: int | float | None = None
    nbf: int | float | None = None


_read = msgspec.json.Decoder(_Claims).decode


class Assertions:
    """Checks client assertions, each good once."""

    def __init__(self, ledger: Ledger, clients: Clients, keys: ClientKeys, *, issuer: str) -> None:
        self._ledger = ledger
        self._clients = clients
        self._keys = keys
        self._issuer = issuer

    async def authenticate(self, form: Form) -> Client:
        """Return the client that signed.

        Raises:
            InvalidClient: any of the checks above failed.
        """
        jws, claims = _parse(form)
        if claims.iss != claims.sub or form.get("client_id", claims.sub) != claims.sub:
            raise InvalidClient("iss, sub and client_id differ")
        client = await self._clients.look_up(claims.sub)
        if client is None:
            raise InvalidClient("unknown or disabled client")
        who = client.client_id
        if client.token_endpoint_auth_method != PRIVATE_KEY_JWT:
            raise InvalidClient(f"{who} is registered for {client.token_endpoint_auth_method}")
        if not _algorithm_allowed(jws.algorithm, client):
            raise InvalidClient(f"{who}: not with this algorithm")
        if claims.aud != self._issuer:
            raise InvalidClient(f"{who}: aud is not the issuer identifier")
        self._check_times(claims, who)
        if not await self._keys.verify(who, client, jws):
            raise InvalidClient(f"{who}: no key of the client made the signature")
        if not 0 < len(claims.jti) <= _LONGEST_JTI:
            raise InvalidClient(f"{who}: jti is empty or too long")
        jti_hash = hashlib.sha256(f"{who}\0{claims.jti}".encode()).digest()
        expires_at = datetime.fromtimestamp(claims.exp, UTC)
        if not await self._ledger.database.work(
            lambda connection: store.use_assertion(connection, jti_hash, expires_at=expires_at)
        ):
            raise InvalidClient(f"{who}: the assertion was used before")
        return client

    def _check_times(self, claims: _Claims, who: str) -> None:
        now = self._ledger.now().timestamp()
        if not now < claims.exp <= now + (LONGEST_LIFE + AHEAD).total_seconds():
            raise InvalidClient(f"{who}: expired, or good for too long")
        latest = now + AHEAD.total_seconds()
        if any(moment is not None and not moment <= latest for moment in (claims.iat, claims.nbf)):
            raise InvalidClient(f"{who}: not yet good")


def _parse(form: Form) -> tuple[Jws, _Claims]:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient("another type of assertion, or none")
    try:
        jws = parse_jws(form.get("client_assertion", ""))
        return jws, _read(jws.payload)
    except (MalformedJwsError, ValueError, RecursionError) as error:
        raise InvalidClient("malformed assertion") from error


def _algorithm_allowed(algorithm: str, client: Client) -> bool:
    if algorithm not in (FOREIGN_ALGORITHMS if client.fapi2 else ASSERTION_ALGORITHMS):
        return False
    wanted = client.token_endpoint_auth_signing_alg
    return wanted is None or algorithm == wanted or {algorithm, wanted} <= _EDDSA
