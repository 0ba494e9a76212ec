"""DPoP proofs, read and held against a request (RFC 9449 section 4.3)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from auth_svc.errors import InvalidProof
from auth_svc.keys.jose import encode64
from auth_svc.proofs.flow import Proof, ProofReader, check, same_uri
from lib_one.testing import Clock

URI = "http://127.0.0.1:8400/token"


def read(raw: str) -> Proof:
    return ProofReader().read(raw.encode())


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
def test_good_proof_of_each_algorithm_is_read_rfc9449_4_3(algorithm: str, make_prover: Callable[[str], Any]) -> None:
    prover = make_prover(algorithm)
    proof = read(prover.proof(jti="one", nonce="two"))
    assert (proof.jkt, proof.jti, proof.htm, proof.htu, proof.nonce) == (prover.jkt, "one", "POST", URI, "two")


def test_a_known_key_is_not_a_known_proof(prover: Any) -> None:
    reader = ProofReader()
    first = prover.proof(jti="one")
    assert reader.read(first.encode()).jti == "one"
    assert reader.read(prover.proof(jti="two").encode()).jti == "two"
    with pytest.raises(InvalidProof):
        reader.read((first[:-4] + ("AAAA" if not first.endswith("AAAA") else "AAAB")).encode())


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"typ": 1},
        {"alg": "none"},
        {"alg": "Ed25519"},
        {"alg": "PS256"},
        {"jwk": None},
        {"jwk": "key"},
        {"jwk": {"kty": "EC"}},
        {"jwk": OctKey.generate_key().as_dict()},
        {"crit": ["exp"]},
    ],
)
def test_wrong_header_is_refused_though_it_is_signed_rfc9449_4_3_points_4_to_7(
    header: dict[str, Any], prover: Any
) -> None:
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": prover.key.as_dict(private=False), **header}
    first = encode64(json.dumps({name: value for name, value in head.items() if value is not None}).encode())
    signed = first + b"." + prover.proof().split(".")[1].encode()
    signature = jws.JWSRegistry.algorithms["ES256"].sign(signed, prover.key)
    with pytest.raises(InvalidProof):
        read(f"{signed.decode()}.{encode64(signature).decode()}")


def test_private_key_in_the_proof_is_refused_rfc9449_4_3_point_7(prover: Any) -> None:
    with pytest.raises(InvalidProof, match="JwkError"):
        read(prover.proof(header={"jwk": prover.key.as_dict(private=True)}))


def test_symmetric_and_hashed_algorithms_are_refused_rfc9449_4_3_point_5(make_prover: Callable[[str], Any]) -> None:
    with pytest.raises(InvalidProof, match="alg"):
        read(make_prover("RS256").proof())


def test_signature_by_another_key_is_refused_rfc9449_4_3_point_6(prover: Any, thief: Any) -> None:
    with pytest.raises(InvalidProof, match="signature"):
        read(thief.proof(header={"jwk": prover.key.as_dict(private=False)}))


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat"])
@pytest.mark.parametrize("value", [None, [], {}, True])
def test_every_required_claim_is_there_and_of_its_type_rfc9449_4_3_point_3(
    name: str, value: object, prover: Any
) -> None:
    with pytest.raises(InvalidProof):
        read(prover.proof(**{name: value}))


def test_empty_jti_is_refused_rfc9449_4_2(prover: Any) -> None:
    with pytest.raises(InvalidProof):
        read(prover.proof(jti=""))


def hold(proof: str, clock: Clock, token: str | None = None) -> None:
    check(read(proof), method="POST", uri=URI, access_token=token, now=clock())


def test_proof_for_another_method_or_address_is_refused_rfc9449_4_3_points_8_and_9(prover: Any, clock: Clock) -> None:
    hold(prover.proof(), clock)
    for proof in (prover.proof(method="GET"), prover.proof(method="post"), prover.proof("/revoke")):
        with pytest.raises(InvalidProof):
            hold(proof, clock)


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (10, True), (11, False), (-60, True), (-61, False)])
def test_proof_is_good_for_a_minute_rfc9449_4_3_point_11_fapi2_5_3_2_1(
    seconds: int, good: bool, prover: Any, clock: Clock
) -> None:
    proof = prover.proof(iat=int(clock().timestamp()) + seconds)
    if good:
        hold(proof, clock)
    else:
        with pytest.raises(InvalidProof, match="iat"):
            hold(proof, clock)


@pytest.mark.parametrize("iat", [1e308, -1e308, 10**30])
def test_absurd_times_are_refused_rfc9449_4_3_point_11(iat: float, prover: Any, clock: Clock) -> None:
    with pytest.raises(InvalidProof):
        hold(prover.proof(iat=iat), clock)


def test_ath_is_the_hash_of_the_token_rfc9449_4_3_point_12(prover: Any, clock: Clock) -> None:
    hold(prover.proof(token="a token"), clock, "a token")
    for proof in (prover.proof(), prover.proof(token="another"), prover.proof(token="a token", ath="ü")):
        with pytest.raises(InvalidProof, match="ath"):
            hold(proof, clock, "a token")


@pytest.mark.parametrize(
    ("given_uri", "same"),
    [
        ("https://as.example/token", True),
        ("HTTPS://AS.example/token", True),
        ("https://as.example:443/token", True),
        ("https://as.example/token?a=b#c", True),
        ("https://as.example/%74oken", True),
        ("https://as.example/token/", False),
        ("https://as.example/Token", False),
        ("https://as.example:444/token", False),
        ("http://as.example/token", False),
        ("https://user@as.example/token", False),
        ("https://as.example.evil/token", False),
        ("https://as.example/%2ftoken", False),
        ("/token", False),
        ("https://[::1/token", False),
        ("https://as.example:port/token", False),
        ("", False),
    ],
)
def test_htu_is_compared_normalised_without_query_and_fragment_rfc9449_4_3_point_9(given_uri: str, same: bool) -> None:
    assert same_uri(given_uri, "https://as.example/token") is same


@given(st.text(), st.text())
def test_no_address_brings_an_error(one: str, other: str) -> None:
    same_uri(one, "https://as.example/token")
    same_uri(one, other)


@given(
    st.binary() | st.from_regex(rb"eyJ[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,90}", fullmatch=True)
)
def test_no_proof_brings_another_error(raw: bytes) -> None:
    with pytest.raises(InvalidProof):
        ProofReader().read(raw)


@pytest.mark.parametrize("payload", [b'{"a":' + b"[" * 11_000, b'{"jti":"\xff"}'])
def test_signed_payload_that_is_no_json_is_a_bad_proof_rfc9449_4_3(payload: bytes) -> None:
    """Whoever sends a proof signs it with a key of their own, so a good signature says nothing about the payload."""
    key = ECKey.generate_key("P-256")
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
    with pytest.raises(InvalidProof):
        read(jws.serialize_compact(header, payload, key))
