"""The client's side of bound tokens (RFC 9449): a key, a proof for each request, and the nonces that servers ask for.

This module is on the path of commands that must start fast: it imports nothing heavy before it needs it.
"""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from lib_one.http import Response

ALGORITHM = "ES256"
"""What proofs are signed with: every server that takes proofs takes it."""


class Prover:
    """Has a key (P-256) and proves it. Make one with `new`, or with `from_bytes` what `to_bytes` gave."""

    def __init__(self, key: "EllipticCurvePrivateKey") -> None:
        self._key = key
        self._nonces: dict[str, str] = {}
        point = key.public_key().public_numbers()
        # In the order in which RFC 7638 section 3 hashes the members.
        jwk = {"crv": "P-256", "kty": "EC", "x": _encode(point.x.to_bytes(32)), "y": _encode(point.y.to_bytes(32))}
        self.jkt = _encode(sha256(_json(jwk)).digest())
        """Thumbprint of the key (RFC 7638)."""
        self._header = _encode(_json({"typ": "dpop+jwt", "alg": ALGORITHM, "jwk": jwk}))

    def __repr__(self) -> str:
        """Never the key."""
        return f"Prover({self.jkt})"

    @classmethod
    def new(cls) -> Self:
        """A new key."""
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """A key that was kept.

        Raises:
            ValueError: it is none.
        """
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_der_private_key

        key = load_der_private_key(data, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("not a P-256 key")
        return cls(key)

    def to_bytes(self) -> bytes:
        """PKCS #8, DER, not encrypted: whoever has it and the tokens can use them."""
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def proof(
        self, method: str, url: str, *, now: datetime, access_token: str | None = None, nonce: str | None = None
    ) -> str:
        """A proof for one request (section 4.2), with this nonce or else the one that its server gave last."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        parts = urlsplit(url)
        claims: dict[str, str | int] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method.upper(),
            "htu": parts._replace(query="", fragment="").geturl(),
            "iat": int(now.timestamp()),
        }
        if access_token is not None:
            claims["ath"] = _encode(sha256(access_token.encode()).digest())
        nonce = nonce or self._nonces.get(_origin(url))
        if nonce is not None:
            claims["nonce"] = nonce
        signed = f"{self._header}.{_encode(_json(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{_encode(r.to_bytes(32) + s.to_bytes(32))}"

    def heed(self, response: "Response") -> bool:
        """Remember the nonce that a server gives. True if it refused for want of it: send again, with a new proof.

        Servers at other addresses do not get it (section 8.2), and who gives the same again is not asked again.
        """
        nonce = response.headers.get("dpop-nonce")
        if nonce is None:
            return False
        origin = _origin(str(response.url))
        is_new = self._nonces.get(origin) != nonce
        self._nonces[origin] = nonce
        return is_new and response.status_code in (400, 401) and _wants_nonce(response)


def _wants_nonce(response: "Response") -> bool:
    """Whether the error is `use_dpop_nonce`: in the body at an issuer (section 8), in the challenge at an API (9)."""
    if any("use_dpop_nonce" in challenge for challenge in response.headers.get_list("www-authenticate")):
        return True
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("error") == "use_dpop_nonce"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
