"""Keys that operators bring: what is taken, and the clear word when it is not."""

import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from auth_svc.keys import SigningKeyError, jose, read_private_key

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_JWK: dict[str, Any] = RSAKey.import_key(
    RSA.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
).as_dict(private=True)
EC_JWK: dict[str, Any] = ECKey.generate_key("P-256").as_dict(private=True)
OKP_JWK: dict[str, Any] = OKPKey.generate_key("Ed25519").as_dict(private=True)


def pem(key: Any, form: str = "PKCS8", password: bytes | None = None) -> bytes:
    protection: Any = (
        serialization.BestAvailableEncryption(password) if password is not None else serialization.NoEncryption()
    )
    text: bytes = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), protection)
    return text


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_pem_is_read_in_its_usual_forms(algorithm: str, form: str) -> None:
    if (algorithm, form) == ("EdDSA", "TraditionalOpenSSL"):
        form = "PKCS8"  # there is no other
    key = jose.generate(algorithm)
    found, said = read_private_key(pem(key, form), algorithm)
    assert said == algorithm
    signature = jose.sign(found, said, b"data")
    assert jose.verify(key.public_key(), signature, b"data", algorithm)


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        (EC_JWK, "ES256"),
        (OKP_JWK, "EdDSA"),
        (RSA_JWK, "RS256"),
        (RSA_JWK | {"alg": "PS256"}, "PS256"),
        ({name: RSA_JWK[name] for name in ("kty", "n", "e", "d")}, "RS256"),
    ],
)
def test_private_jwk_is_read_rfc7517_rfc7518_6(jwk: dict[str, Any], algorithm: str) -> None:
    key, said = read_private_key(json.dumps(jwk).encode(), None)
    assert said == algorithm
    thumbprint, _ = jose.thumbprint_and_jwk(key.public_key(), said)
    kinds: dict[str, Any] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
    assert thumbprint == kinds[jwk["kty"]].import_key(jwk).thumbprint()


@pytest.mark.parametrize(
    ("text", "algorithm", "words"),
    [
        (b"", None, "neither PEM nor a JWK"),
        (b"hello", None, "neither PEM nor a JWK"),
        (pem(RSA).replace(b"PRIVATE", b"PUBLIC"), None, "no private key"),
        (pem(RSA)[:200] + b"\n-----END PRIVATE KEY-----\n", None, "damaged"),
        (pem(RSA, password=b"secret"), None, "is encrypted"),
        (pem(RSA), "ES256", "only RS256 or PS256"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RS256", "only ES256"),
        (pem(ec.generate_private_key(ec.SECP384R1())), None, "secp384r1"),
        (pem(ed448.Ed448PrivateKey.generate()), None, "does not sign here"),
        (pem(dsa.generate_private_key(2048)), None, "does not sign here"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), None, "this one has 1024"),
        (b'{"kty": 1}', None, "not one JWK"),
        (b'{"keys": []}', None, "not one JWK"),
        (b'{"kty": "oct", "k": "AAAA"}', None, "does not sign here"),
        (json.dumps({n: v for n, v in EC_JWK.items() if n != "d"}).encode(), None, "public half only"),
        (json.dumps(EC_JWK | {"use": "enc"}).encode(), None, "not for signatures"),
        (json.dumps(EC_JWK | {"crv": "P-384"}).encode(), None, "does not sign here"),
        (json.dumps(EC_JWK | {"x": EC_JWK["y"]}).encode(), None, "does not belong"),
        (json.dumps(OKP_JWK | {"x": EC_JWK["x"]}).encode(), None, "does not belong"),
        (json.dumps(OKP_JWK | {"d": "AAAA"}).encode(), None, "damaged"),
        (json.dumps(EC_JWK | {"d": "!"}).encode(), None, "damaged"),
        (json.dumps(RSA_JWK | {"p": "AA"}).encode(), None, "damaged"),
        (json.dumps(RSA_JWK | {"oth": []}).encode(), None, "two primes"),
        (json.dumps(RSA_JWK | {"alg": "RS512"}).encode(), None, "cannot sign RS512"),
        (json.dumps(RSA_JWK | {"alg": "PS256"}).encode(), "RS256", "for PS256, not for RS256"),
    ],
    ids=lambda value: "text" if isinstance(value, bytes) else None,  # the keys are others each time
)
def test_what_cannot_sign_is_refused_with_the_reason_and_without_the_key(
    text: bytes, algorithm: str | None, words: str
) -> None:
    with pytest.raises(SigningKeyError, match=words) as refused:
        read_private_key(text, algorithm)
    assert str(EC_JWK["d"]) not in str(refused.value)


_MEMBERS = ["kty", "use", "alg", "crv", "d", "x", "y", "n", "e", "p", "q", "oth"]
_VALUES = st.one_of(
    st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519", "sig", EC_JWK["d"], EC_JWK["x"], RSA_JWK["e"]]),
    st.text(max_size=12),
    st.none(),
    st.integers(),
)


@given(st.one_of(st.binary(max_size=64), st.dictionaries(st.sampled_from(_MEMBERS), _VALUES)))
def test_no_input_gets_past_the_error(text: bytes | dict[str, Any]) -> None:
    raw = text if isinstance(text, bytes) else json.dumps(text).encode()
    with suppress(SigningKeyError):
        read_private_key(raw, None)
