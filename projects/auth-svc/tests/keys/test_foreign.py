"""Keys and signatures of others (RFC 7515, 7517, 7518, 7638, 8037), checked against joserfc."""

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from auth_svc.keys import JwkError, MalformedJwsError, key_fits, parse_jws, public_key, thumbprint, verify

KEYS = {
    "ES256": ECKey.generate_key("P-256"),
    "PS256": RSAKey.generate_key(2048),
    "RS256": RSAKey.generate_key(2048),
    "Ed25519": OKPKey.generate_key("Ed25519"),
}


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_joserfc_signs_is_verified_and_anything_else_not_rfc7515_5_2(algorithm: str) -> None:
    token = jws.serialize_compact({"alg": algorithm}, b'{"a":1}', KEYS[algorithm], algorithms=[algorithm])
    read = parse_jws(token)
    key = public_key(KEYS[algorithm].as_dict(private=False))
    assert (read.algorithm, read.payload) == (algorithm, b'{"a":1}')
    assert key_fits(key, algorithm)
    assert verify(key, read.signature, read.signed, algorithm)
    assert not verify(key, read.signature, read.signed + b"A", algorithm)
    assert not verify(key, read.signature[:-1], read.signed, algorithm)
    assert thumbprint(key) == KEYS[algorithm].thumbprint()


def test_pss_and_pkcs1_are_not_taken_for_each_other_rfc7518_3() -> None:
    token = jws.serialize_compact({"alg": "RS256"}, b"{}", KEYS["RS256"], algorithms=["RS256"])
    read = parse_jws(token)
    assert not verify(public_key(KEYS["RS256"].as_dict(private=False)), read.signature, read.signed, "PS256")


def test_a_key_fits_only_its_algorithms_rfc7518_3_1() -> None:
    for name, key in KEYS.items():
        fitting = {other for other in KEYS if key_fits(public_key(key.as_dict(private=False)), other)}
        assert fitting == ({"PS256", "RS256"} if name in {"PS256", "RS256"} else {name})


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
        {"kty": "EC", "crv": ["P-256"], "x": 1, "y": 2},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        {"kty": ["RSA"]},
        ECKey.generate_key("P-384").as_dict(private=False),
        OctKey.generate_key().as_dict(),
        KEYS["ES256"].as_dict(private=True),
        {"kty": "RSA", "n": "__" * 85 + "8", "e": "AQAB"},  # 1024 bits
    ],
)
def test_private_weak_and_malformed_keys_are_refused_fapi2_5_4_2(jwk: dict[str, object]) -> None:
    with pytest.raises(JwkError):
        public_key(jwk)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c.d",
        "é.b.c",
        f"{encoded([])}.e30.AA",
        f"{encoded({})}.e30.AA",
        f"{encoded({'alg': 1})}.e30.AA",
        f"{encoded({'alg': 'ES256', 'crit': ['b64'], 'b64': False})}.e30.AA",
        f"{encoded({'alg': 'ES256'})}.e30=.AA",
        f"{encoded({'alg': 'ES256'})}.e30.A",
        "A" * 20_000 + ".e30.AA",
    ],
)
def test_malformed_jws_are_refused_rfc7515_5_2(token: str) -> None:
    with pytest.raises(MalformedJwsError):
        parse_jws(token)


@given(st.text() | st.text(alphabet="eyJhbGciOiJ.-_AQ01"))
def test_no_text_brings_another_error(token: str) -> None:
    with contextlib.suppress(MalformedJwsError):
        parse_jws(token)


@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d"]), st.none() | st.integers() | st.text()))
def test_no_jwk_brings_another_error(jwk: dict[str, object]) -> None:
    with contextlib.suppress(JwkError):
        public_key(jwk)
