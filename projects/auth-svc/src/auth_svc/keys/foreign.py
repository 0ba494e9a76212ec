"""Keys and signatures of others: a compact JWS as it came, and the public JWK that it is to be checked with.

Nothing here believes anything: `parse_jws` takes a token apart, `public_key` reads a JWK, `key_fits` and `verify`
decide.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth_svc.keys import jose

FOREIGN_ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
"""What others may sign with by default (FAPI 2.0 section 5.4.1). EdDSA and Ed25519 are one algorithm (RFC 9864)."""
_LONGEST = 16 * 1024
_SMALLEST_RSA, _LARGEST_RSA = 2048, 4096
"""Bits: weaker ones are refused (FAPI 2.0 section 5.4.2), larger ones make a check expensive."""
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

_object = msgspec.json.Decoder(dict[str, Any]).decode


class JwkError(ValueError):
    """No public key of a kind that is taken; the message is for the log."""


class MalformedJwsError(ValueError):
    """It is not a compact JWS (RFC 7515 section 7.1) that can be understood."""


class Jws(NamedTuple):
    """A compact JWS taken apart. Nothing in it may be believed."""

    algorithm: str
    header: dict[str, Any]
    payload: bytes
    signed: bytes
    """What the signature is over."""
    signature: bytes


def parse_jws(token: str | bytes) -> Jws:
    """Take a compact JWS apart.

    Raises:
        MalformedJwsError: too long, not three parts, not strict base64url, no JSON object, no `alg`, or `crit`.
    """
    try:
        raw = token.encode("ascii") if isinstance(token, str) else token
        if len(raw) > _LONGEST or raw.count(b".") != 2:
            raise MalformedJwsError("too long, or not three parts")
        signed, _, signature = raw.rpartition(b".")
        first, _, payload = signed.partition(b".")
        header = _object(jose.decode64(first))
        algorithm = header.get("alg")
        # RFC 7515 section 4.1.11: an extension that must be understood and is not; `b64` (RFC 7797) is always in it.
        if not isinstance(algorithm, str) or "crit" in header:
            raise MalformedJwsError("no alg, or a critical header")
        return Jws(algorithm, header, jose.decode64(payload), signed, jose.decode64(signature))
    except MalformedJwsError:
        raise
    except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
        raise MalformedJwsError("not base64url, or not JSON") from error


def public_key(jwk: Mapping[str, Any]) -> jose.PublicKey:
    """Read a public JWK: P-256, Ed25519, or RSA from 2048 to 4096 bits (RFC 7518 section 6, RFC 8037 section 2).

    Raises:
        JwkError: another kind, malformed, or it holds a private part, which nobody should ever have shown.
    """
    if not _PRIVATE.isdisjoint(jwk):
        raise JwkError("a private or symmetric key")
    try:
        match jwk.get("kty"), jwk.get("crv"):
            case "EC", "P-256":
                x, y = _bytes(jwk, "x"), _bytes(jwk, "y")
                if len(x) != 32 or len(y) != 32:
                    raise JwkError("a coordinate of another length")
                return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
            case "OKP", "Ed25519":
                return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x"))
            case "RSA", _:
                modulus, exponent = _bytes(jwk, "n"), _bytes(jwk, "e")
                if not _SMALLEST_RSA <= int.from_bytes(modulus).bit_length() <= _LARGEST_RSA or len(exponent) > 4:
                    raise JwkError("RSA of another size")
                return rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
    except JwkError:
        raise
    except (ValueError, TypeError) as error:
        raise JwkError("malformed") from error
    raise JwkError("another kind of key")


def key_fits(key: jose.PublicKey, algorithm: str) -> bool:
    """Whether a key of this kind signs by this algorithm."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return algorithm == "ES256"
    if isinstance(key, rsa.RSAPublicKey):
        return algorithm in {"PS256", "RS256"}
    return algorithm in {"EdDSA", "Ed25519"}


def thumbprint(key: jose.PublicKey) -> str:
    """RFC 7638 thumbprint with SHA-256, base64url."""
    return jose.thumbprint_and_jwk(key, "")[0]


def _bytes(jwk: Mapping[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise JwkError(f"no {name}")
    return jose.decode64(value.encode("ascii"))
