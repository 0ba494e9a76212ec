"""Signing keys: kept encrypted, published at /jwks, changed by announced rotation."""

from auth_svc.keys.ring import ANNOUNCED, KeyRing, UnverifiedTokenError
from auth_svc.keys.store import ALGORITHMS, DEFAULT_ALGORITHM, StoredKey, count, distrust, everything

__all__ = [
    "ALGORITHMS",
    "ANNOUNCED",
    "DEFAULT_ALGORITHM",
    "KeyRing",
    "StoredKey",
    "UnverifiedTokenError",
    "count",
    "distrust",
    "everything",
]
