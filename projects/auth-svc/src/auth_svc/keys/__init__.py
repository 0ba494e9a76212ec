"""Signing keys: kept encrypted, published at /jwks, changed by announced rotation."""

from auth_svc.keys.foreign import (
    FOREIGN_ALGORITHMS,
    JwkError,
    Jws,
    MalformedJwsError,
    key_fits,
    parse_jws,
    public_key,
    thumbprint,
)
from auth_svc.keys.jose import PublicKey, verify
from auth_svc.keys.ring import ANNOUNCED, KeyRing, UnverifiedTokenError
from auth_svc.keys.store import ALGORITHMS, DEFAULT_ALGORITHM, StoredKey, count, distrust, everything

__all__ = [
    "ALGORITHMS",
    "ANNOUNCED",
    "DEFAULT_ALGORITHM",
    "FOREIGN_ALGORITHMS",
    "JwkError",
    "Jws",
    "KeyRing",
    "MalformedJwsError",
    "PublicKey",
    "StoredKey",
    "UnverifiedTokenError",
    "count",
    "distrust",
    "everything",
    "key_fits",
    "parse_jws",
    "public_key",
    "thumbprint",
    "verify",
]
