"""Signing keys: kept encrypted, published at /jwks, changed by announced rotation.

jose       the formats and the algorithms
foreign    keys and signatures of others: JWK and JWS as strangers give them
issuers    others whose signatures an operator trusts
store      the table
rotation   the life of a key: announced, signing, superseded, retired
imported   keys that an operator brings: PEM and JWK
ring       the keys in memory: sign, verify, publish
"""

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
from auth_svc.keys.imported import read_private_key
from auth_svc.keys.issuers import NamedIssuer, SigningIssuer, TrustedIssuersError, read_issuers
from auth_svc.keys.jose import PublicKey, verify
from auth_svc.keys.ring import KeyRing, UnverifiedTokenError
from auth_svc.keys.rotation import ANNOUNCED, KeyRotation, Phase, SigningKeyError, lives
from auth_svc.keys.store import ALGORITHMS, DEFAULT_ALGORITHM, StoredKey, count, distrust, everything

__all__ = [
    "ALGORITHMS",
    "ANNOUNCED",
    "DEFAULT_ALGORITHM",
    "FOREIGN_ALGORITHMS",
    "JwkError",
    "Jws",
    "KeyRing",
    "KeyRotation",
    "MalformedJwsError",
    "NamedIssuer",
    "Phase",
    "PublicKey",
    "SigningIssuer",
    "SigningKeyError",
    "StoredKey",
    "TrustedIssuersError",
    "UnverifiedTokenError",
    "count",
    "distrust",
    "everything",
    "key_fits",
    "lives",
    "parse_jws",
    "public_key",
    "read_issuers",
    "read_private_key",
    "thumbprint",
    "verify",
]
