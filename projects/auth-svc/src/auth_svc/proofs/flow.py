"""A DPoP proof: read, and held against the request that it came with (RFC 9449 section 4). Pure."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from auth_svc.errors import InvalidProof
from auth_svc.keys import (
    FOREIGN_ALGORITHMS,
    JwkError,
    MalformedJwsError,
    PublicKey,
    key_fits,
    parse_jws,
    public_key,
    thumbprint,
    verify,
)
from auth_svc.keys.jose import encode64

PROOF_ALGORITHMS = FOREIGN_ALGORITHMS
"""What a proof may be signed with."""
OLDEST = timedelta(seconds=60)
"""A proof is made for one request: older ones were kept, or stolen."""
AHEAD = timedelta(seconds=10)
"""How far a client's clock may be ahead of ours (FAPI 2.0 section 5.3.2.1 wants ten seconds taken)."""
_KNOWN_KEYS = 1024
"""A client's proofs all begin alike: the key of so many beginnings is remembered."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "nats": 4222, "tls": 4222}
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Proof(NamedTuple):
    """A proof whose signature is good: whoever made it has the key."""

    jkt: str
    """Thumbprint of the key (RFC 7638)."""
    jti: str
    htm: str
    htu: str
    issued_at: float
    """Seconds since the epoch."""
    ath: str | None
    nonce: str | None


class _Claims(msgspec.Struct):
    jti: str
    htm: str
    htu: str
    iat: int | float
    ath: str | None = None
    nonce: str | None = None


_decode = msgspec.json.Decoder(_Claims).decode


class ProofReader:
    """Reads proofs, and remembers the keys that it has seen."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[PublicKey, str]] = {}

    def read(self, raw: bytes) -> Proof:
        """Return what a proof says, once its form and its signature are good (section 4.3, points 2 to 7).

        Raises:
            InvalidProof: it is none.
        """
        try:
            jws = parse_jws(raw)
            typ = jws.header.get("typ")
            if not isinstance(typ, str) or typ.lower() not in {"dpop+jwt", "application/dpop+jwt"}:
                raise InvalidProof("typ is not dpop+jwt")
            if jws.algorithm not in PROOF_ALGORITHMS:
                raise InvalidProof("alg is not taken")
            key, jkt = self._key(raw.partition(b".")[0], jws.header.get("jwk"))
            if not key_fits(key, jws.algorithm) or not verify(key, jws.signature, jws.signed, jws.algorithm):
                raise InvalidProof("the signature is wrong")
            claims = _decode(jws.payload)
        except (MalformedJwsError, JwkError, ValueError, RecursionError) as error:
            raise InvalidProof(f"malformed: {type(error).__name__}") from error
        if not claims.jti:
            raise InvalidProof("jti is empty")
        return Proof(jkt, claims.jti, claims.htm, claims.htu, float(claims.iat), claims.ath, claims.nonce)

    def _key(self, beginning: bytes, jwk: object) -> tuple[PublicKey, str]:
        known = self._known.get(beginning)
        if known is None:
            if not isinstance(jwk, dict):
                raise InvalidProof("no jwk")
            key = public_key(jwk)
            known = key, thumbprint(key)
            if len(self._known) >= _KNOWN_KEYS:
                self._known.clear()
            self._known[beginning] = known
        return known


def check(proof: Proof, *, method: str, uri: str, access_token: str | None, now: datetime) -> None:
    """Hold a proof against its request (section 4.3, points 8, 9, 11 and 12). `uri` has no query and no fragment.

    Raises:
        InvalidProof: it was made for another request, too long ago, or for another access token.
    """
    if proof.htm != method:
        raise InvalidProof("htm is another method")
    if not same_uri(proof.htu, uri):
        raise InvalidProof("htu is another address")
    age = now.timestamp() - proof.issued_at
    if not -AHEAD.total_seconds() <= age <= OLDEST.total_seconds():
        raise InvalidProof("iat is too old, or in the future")
    if access_token is not None and not hmac.compare_digest((proof.ath or "").encode(), _ath(access_token)):
        raise InvalidProof("ath is not the hash of the access token")


def same_uri(given: str, expected: str) -> bool:
    """Whether `htu` names this address, query and fragment apart (point 9; normalised as RFC 3986 section 6.2 says)."""
    return given == expected or _normal(given) == _normal(expected)


def _normal(uri: str) -> tuple[str, str, int | None, str] | None:
    """Scheme, host, port and path in their one form. None, which equals no good address, if there is no such form."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or not parts.hostname or not uri.isascii():
        return None
    scheme = parts.scheme.lower()
    return scheme, parts.hostname, port or _DEFAULT_PORTS.get(scheme), _ESCAPED.sub(_unescaped, parts.path) or "/"


def _unescaped(match: re.Match[str]) -> str:
    """Characters that need no escape stand as themselves, the others with capital digits (RFC 3986 section 6.2.2)."""
    byte = int(match[1], 16)
    return chr(byte) if byte in _UNRESERVED else match[0].upper()


def _ath(access_token: str) -> bytes:
    return encode64(hashlib.sha256(access_token.encode()).digest())
