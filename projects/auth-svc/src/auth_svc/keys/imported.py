"""Private keys that an operator brings: PEM (PKCS #8, SEC 1, PKCS #1) or JWK (RFC 7517), read with care."""

from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth_svc.keys import jose
from auth_svc.keys.rotation import SigningKeyError

_SMALLEST, _LARGEST = 2048, 8192
"""Bits of an RSA key: RFC 7518 section 3.3, and what is still quick enough to sign with."""


class _Jwk(msgspec.Struct):
    """The members of a private JWK that matter here (RFC 7518 section 6, RFC 8037 section 2)."""

    kty: str
    use: str = "sig"
    alg: str | None = None
    crv: str | None = None
    d: str | None = None
    x: str | None = None
    y: str | None = None
    n: str | None = None
    e: str | None = None
    p: str | None = None
    q: str | None = None
    oth: list[Any] | None = None


def read_private_key(text: bytes, algorithm: str | None) -> tuple[jose.PrivateKey, str]:
    """Return the key and the algorithm that it is for: `algorithm`, else what the JWK says, else what its type says.

    Raises:
        SigningKeyError: it is not a private key that can sign so; what is wrong stands in the message, the key never.
    """
    try:
        if b"-----BEGIN" in text:
            key, said = _from_pem(text), None
        elif text.lstrip().startswith(b"{"):
            key, said = _from_jwk(text)
        else:
            raise SigningKeyError("that is neither PEM nor a JWK")
    except (
        ValueError,
        ZeroDivisionError,
        UnsupportedAlgorithm,
    ) as error:  # their texts may quote what they could not read
        raise SigningKeyError("the key cannot be read: it is damaged, or of a kind that does not sign here") from error
    possible = _algorithms(key)
    if said is not None and algorithm is not None and said != algorithm:
        raise SigningKeyError(f"the JWK is for {said}, not for {algorithm}")
    wanted = algorithm or said or possible[0]
    if wanted not in possible:
        raise SigningKeyError(f"such a key cannot sign {wanted}, only {' or '.join(possible)}")
    return key, wanted


def _from_pem(text: bytes) -> jose.PrivateKey:
    if b"PRIVATE KEY-----" not in text:
        raise SigningKeyError("that PEM holds no private key")
    try:
        key = serialization.load_pem_private_key(text, None)
    except TypeError as error:
        raise SigningKeyError(
            "the key is encrypted: decrypt it on the way (`openssl pkey -in FILE | auth-svc keys import -`)"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise SigningKeyError("such a key does not sign here: bring P-256, RSA or Ed25519")
    return key


def _from_jwk(text: bytes) -> tuple[jose.PrivateKey, str | None]:
    try:
        jwk = msgspec.json.decode(text, type=_Jwk)
    except msgspec.DecodeError as error:
        raise SigningKeyError("that is not one JWK: `kty` and its members, as strings (no set of keys)") from error
    if jwk.kty not in {"EC", "RSA", "OKP"}:
        raise SigningKeyError("such a key does not sign here: bring P-256, RSA or Ed25519")
    if jwk.d is None:
        raise SigningKeyError("that is the public half only")
    if jwk.use != "sig":
        raise SigningKeyError(f"the JWK is for use {jwk.use!r}, not for signatures")
    if jwk.kty == "RSA":
        return _rsa(jwk), jwk.alg
    if (jwk.kty, jwk.crv) not in {("EC", "P-256"), ("OKP", "Ed25519")}:
        raise SigningKeyError("such a key does not sign here: bring P-256, RSA or Ed25519")
    secret, x = _bytes(jwk.d), _bytes(jwk.x)
    if jwk.kty == "OKP":
        edwards = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        public = edwards.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        if public != x:
            raise SigningKeyError("the public half does not belong to the private one")
        return edwards, jwk.alg
    elliptic = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
    point = elliptic.public_key().public_numbers()
    if (point.x, point.y) != (int.from_bytes(x), _number(jwk.y)):
        raise SigningKeyError("the public half does not belong to the private one")
    return elliptic, jwk.alg


def _rsa(jwk: _Jwk) -> rsa.RSAPrivateKey:
    if jwk.oth is not None:
        raise SigningKeyError("RSA keys with more than two primes do not sign here")
    public = rsa.RSAPublicNumbers(_number(jwk.e), _number(jwk.n))
    d = _number(jwk.d)
    if jwk.p is None or jwk.q is None:  # RFC 7518 section 6.3.2: they may be left out, all or none
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
    else:
        p, q = _number(jwk.p), _number(jwk.q)
    return rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    ).private_key()


def _algorithms(key: jose.PrivateKey) -> tuple[str, ...]:
    """What a key can sign.

    Raises:
        SigningKeyError: nothing.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, ec.SECP256R1):
            raise SigningKeyError(f"the curve {key.curve.name} does not sign here: bring P-256, RSA or Ed25519")
        return ("ES256",)
    if isinstance(key, rsa.RSAPrivateKey):
        if not _SMALLEST <= key.key_size <= _LARGEST:
            raise SigningKeyError(f"an RSA key must have {_SMALLEST} to {_LARGEST} bits, this one has {key.key_size}")
        return ("RS256", "PS256")
    return ("EdDSA",)


def _bytes(value: str | None) -> bytes:
    if value is None:
        raise ValueError("a member is missing")
    return jose.decode64(value.encode())


def _number(value: str | None) -> int:
    return int.from_bytes(_bytes(value))
