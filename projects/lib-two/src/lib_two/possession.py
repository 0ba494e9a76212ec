"""Bound tokens where they arrive: whoever shows one has the key that it is bound to (RFC 9449 section 7, RFC 8705).

A proof is good once: those that were shown lie in memory for as long as they could come again. Processes that stand in
for each other do not know of each other's; a nonce key that they share shortens what a thief of proofs could do there.
"""

import hmac
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from lib_two.algorithms import REGISTRY
from lib_two.errors import InvalidProof, InvalidToken, NonceNeeded
from lib_two.metadata import VerificationKey
from lib_two.validation import Confirmation, base64url, json_object

PROOF_ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
"""Allowed values of a proof's `alg`."""
OLDEST = timedelta(seconds=60)
"""How long a proof is good after its `iat`."""
AHEAD = timedelta(seconds=10)
"""How far the clock of a client may be ahead of ours."""
NONCE_LIFE = timedelta(seconds=60)
"""A nonce is given for so long, and taken for as long again."""
MOST_USED = 100_000
"""Used proofs that are remembered, at most: some 20 MB. Beyond that the oldest is forgotten before its time."""

_MAX_LENGTH = 8_192
_KNOWN_KEYS = 1_024
_TYPES = ("dpop+jwt", "application/dpop+jwt")
_PORTS = {"http": 80, "https": 443}
_Uri = tuple[str, str | None, int | None, str]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An access token as it came with a request, and what came with it."""

    token: str
    scheme: str = "bearer"
    """Of the `Authorization` header, in lower case: `bearer` or `dpop`."""
    method: str = ""
    """Of the request."""
    path: str = ""
    """Of the request, as it was sent, without the query."""
    proofs: tuple[str, ...] = ()
    """The `DPoP` headers."""
    certificate: bytes | None = None
    """The client's TLS certificate, as DER; the handshake proved that it has the key."""


class Possession:
    """Checks proofs for one resource. Belongs to one event loop.

    Args:
        resource: Our resource identifier: proofs name addresses below its scheme, host and port.
        nonce_key: With a key, each proof must repeat a nonce of ours (RFC 9449 section 9); 32 random bytes, the same
            in every process of the resource server.
    """

    def __init__(self, resource: str, *, nonce_key: bytes | None = None) -> None:
        parts = urlsplit(resource)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._nonce_key = nonce_key
        self._keys: dict[str, tuple[VerificationKey, str]] = {}
        self._used: dict[bytes, datetime] = {}
        self._in_order: deque[bytes] = deque()

    def check(self, shown: Shown, confirmation: Confirmation | None, *, now: datetime) -> None:
        """Hold what was shown against the key that the token is bound to.

        Raises:
            InvalidToken: a bound token came as `Bearer`, with another key or without its certificate, or an unbound
                one as `DPoP`.
            InvalidProof: there is no proof, or it is not good for this request and this token.
            NonceNeeded: it lacks the nonce that it must have.
        """
        if confirmation is not None and confirmation.x5t_s256 is not None:
            found = None if shown.certificate is None else _encoded(sha256(shown.certificate).digest())
            if found != confirmation.x5t_s256:
                raise InvalidToken(detail="bound to another certificate")  # RFC 8705 section 3
        jkt = None if confirmation is None else confirmation.jkt
        if (jkt is not None) != (shown.scheme == "dpop"):
            raise InvalidToken(detail="a bound token as Bearer, or an unbound one as DPoP")
        if jkt is None:
            return
        if len(shown.proofs) != 1:
            raise InvalidProof(detail="no proof, or several")
        claims, key_hash = self._read(shown.proofs[0])
        self._check_request(claims, shown, now)
        if key_hash != jkt:
            raise InvalidToken(detail="bound to another key")
        self._check_nonce(claims, now)
        self._use(sha256(f"{key_hash}\0{shown.path}\0{claims['jti']}".encode(errors="surrogatepass")).digest(), now)

    def _read(self, proof: str) -> tuple[Mapping[str, Any], str]:
        """The claims of a proof whose form and signature are good, and the thumbprint of its key (section 4.3)."""
        try:
            if len(proof) > _MAX_LENGTH or proof.count(".") != 2:
                raise InvalidProof(detail="too long, or not three parts")
            first, payload, signature = proof.split(".")
            header = json_object(base64url(first))
            kind, algorithm = header.get("typ"), header.get("alg")
            if not isinstance(kind, str) or kind.lower() not in _TYPES or algorithm not in PROOF_ALGORITHMS:
                raise InvalidProof(detail="typ or alg")
            if "crit" in header:
                raise InvalidProof(detail="a critical header that is not understood")
            key, thumbprint = self._key(first, header.get("jwk"))
            model = REGISTRY.get_alg(algorithm)
            model.check_key(key)
            if not model.verify(f"{first}.{payload}".encode(), base64url(signature), key):
                raise InvalidProof(detail="the signature is wrong")
            return json_object(base64url(payload)), thumbprint
        except (JoseError, InvalidToken, ValueError, TypeError, KeyError) as error:
            raise InvalidProof(detail=f"malformed: {type(error).__name__}") from error

    def _key(self, first: str, jwk: object) -> tuple[VerificationKey, str]:
        """The key of a proof. A client's proofs all have the same header, so it is read once."""
        known = self._keys.get(first)
        if known is None:
            if not isinstance(jwk, dict) or jwk.get("kty") not in ("EC", "OKP", "RSA"):
                raise InvalidProof(detail="no public jwk")
            key = JWKRegistry.import_key(jwk)
            if not isinstance(key, ECKey | OKPKey | RSAKey) or key.is_private:
                raise InvalidProof(detail="no public jwk")
            if isinstance(key, RSAKey) and not 2048 <= key.public_key.key_size <= 4096:
                raise InvalidProof(detail="RSA of another size")
            known = key, key.thumbprint()
            if len(self._keys) >= _KNOWN_KEYS:
                self._keys.clear()
            self._keys[first] = known
        return known

    def _check_request(self, claims: Mapping[str, Any], shown: Shown, now: datetime) -> None:
        jti, htu, issued_at, ath = (claims.get(name) for name in ("jti", "htu", "iat", "ath"))
        if not isinstance(jti, str) or not jti or not isinstance(htu, str) or claims.get("htm") != shown.method:
            raise InvalidProof(detail="jti, htm or htu")
        if _normal(htu) != _normal(self._origin + shown.path):
            raise InvalidProof(detail="htu is another address")
        if isinstance(issued_at, bool) or not isinstance(issued_at, int | float):
            raise InvalidProof(detail="iat")
        if not -AHEAD.total_seconds() <= now.timestamp() - issued_at <= OLDEST.total_seconds():
            raise InvalidProof(detail="iat is too old, or in the future")
        if ath != _encoded(sha256(shown.token.encode()).digest()):
            raise InvalidProof(detail="ath is not the hash of the token")

    def _check_nonce(self, claims: Mapping[str, Any], now: datetime) -> None:
        if self._nonce_key is None:
            return
        nonce = claims.get("nonce")
        good = [self._nonce(self._nonce_key, now + shift) for shift in (timedelta(0), -NONCE_LIFE, NONCE_LIFE)]
        if not isinstance(nonce, str) or nonce not in good:
            raise NonceNeeded(good[0])

    @staticmethod
    def _nonce(key: bytes, at: datetime) -> str:
        step = int(at.timestamp() // NONCE_LIFE.total_seconds())
        return _encoded(hmac.digest(key, str(step).encode(), "sha256")[:16])

    def _use(self, proof_hash: bytes, now: datetime) -> None:
        """Use a proof up."""
        while self._in_order and (self._used[self._in_order[0]] < now or len(self._in_order) >= MOST_USED):
            del self._used[self._in_order.popleft()]
        if proof_hash in self._used:
            raise InvalidProof(detail="jti was used before")
        self._used[proof_hash] = now + OLDEST + AHEAD
        self._in_order.append(proof_hash)


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _normal(uri: str) -> _Uri:
    """Scheme, host, port and path; query and fragment do not count (RFC 9449 section 4.3)."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise InvalidProof(detail="htu is no address") from error
    if "@" in parts.netloc:
        raise InvalidProof(detail="htu has a user name")
    return parts.scheme, parts.hostname, port or _PORTS.get(parts.scheme), parts.path or "/"
