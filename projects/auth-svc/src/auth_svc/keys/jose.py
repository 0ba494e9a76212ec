"""JOSE by hand over `cryptography`: making keys, JWK, signing and verifying the four algorithms.

A library's general case costs more than the signature itself; the formats (RFC 7515, 7517, 7518, 8037) are small, and
the tests check what comes out with joserfc.
"""

import base64
import binascii
import hashlib

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
type PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_ECDSA = ec.ECDSA(SHA256())
_SHA256 = SHA256()
_PADDINGS: dict[str, padding.AsymmetricPadding] = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(padding.MGF1(_SHA256), salt_length=_SHA256.digest_size),  # RFC 7518 section 3.5
}
_ED25519 = ("EdDSA", "Ed25519")
"""Two names of one algorithm (RFC 9864)."""


def encode64(data: bytes) -> bytes:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def decode64(text: bytes) -> bytes:
    """Decode base64url without padding, strictly.

    Raises:
        ValueError: it is not base64url, or not the one way to write these bytes.
    """
    if b"=" in text:
        raise ValueError("padding")
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode64(data) != text:
        raise ValueError("not canonical base64url")
    return data


def generate(algorithm: str) -> PrivateKey:
    """Make a key for `ES256` (P-256), `RS256` or `PS256` (2048 bits), or `EdDSA` (Ed25519)."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm in _PADDINGS:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    raise ValueError(f"no such algorithm: {algorithm}")


def to_bytes(key: PrivateKey) -> bytes:
    """PKCS #8, DER, not encrypted: only to be sealed at once."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def from_bytes(data: bytes) -> PrivateKey:
    """Read what `to_bytes` wrote."""
    # The seal vouches for the key; checking that its primes are primes again would cost 40 ms at every start.
    key = serialization.load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("not a key of ours")
    return key


def thumbprint_and_jwk(key: PublicKey, algorithm: str) -> tuple[str, dict[str, str]]:
    """Return the key's id (RFC 7638 thumbprint) and its public JWK."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        members = {"crv": "P-256", "kty": "EC", "x": _number(point.x, 32), "y": _number(point.y, 32)}
    elif isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        members = {
            "e": _number(numbers.e, (numbers.e.bit_length() + 7) // 8),
            "kty": "RSA",
            "n": _number(numbers.n, (numbers.n.bit_length() + 7) // 8),
        }
    else:
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        members = {"crv": "Ed25519", "kty": "OKP", "x": encode64(raw).decode()}
    # The members above stand in the order that RFC 7638 section 3 hashes them in.
    key_id = encode64(hashlib.sha256(msgspec.json.encode(members)).digest()).decode()
    return key_id, {**members, "use": "sig", "alg": algorithm, "kid": key_id}


def sign(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """Sign as JWS does (RFC 7518 section 3, RFC 8037 section 3.1). The algorithm must be one of the key's."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(data, _ECDSA))
        return r.to_bytes(32) + s.to_bytes(32)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _PADDINGS[algorithm], _SHA256)
    return key.sign(data)


def verify(key: PublicKey, signature: bytes, data: bytes, algorithm: str) -> bool:
    """Check a JWS signature. False as well for an algorithm that is not one of the key's."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if algorithm != "ES256" or len(signature) != 64:
                return False
            der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            key.verify(der, data, _ECDSA)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _PADDINGS[algorithm], _SHA256)
        elif algorithm in _ED25519:
            key.verify(signature, data)
        else:
            return False
    except (InvalidSignature, KeyError, ValueError):
        return False
    return True


def _number(value: int, size: int) -> str:
    return encode64(value.to_bytes(size)).decode()
