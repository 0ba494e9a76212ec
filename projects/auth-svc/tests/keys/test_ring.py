"""Signing keys: at rest, published, rotated; checked with joserfc."""

from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import KeySet, import_key

from auth_svc.keys import UnverifiedTokenError, jose
from auth_svc.secret_key import SecretKey, SecretKeyError
from auth_svc.testing import House, running_house, settings_in

ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]


def header(token: str) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(jose.decode64(token.split(".")[0].encode()))
    return found


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_signature_is_good_for_another_library_rfc7518_3(house: House, algorithm: str) -> None:
    token = house.app.keys.sign(algorithm, "at+jwt", b'{"a":1}')
    keys = KeySet.import_key_set(msgspec.json.decode(house.app.keys.jwks))
    found = jws.deserialize_compact(token, keys, algorithms=ALGORITHMS)
    assert found.payload == b'{"a":1}'
    assert house.app.keys.verify(token, typ="at+jwt") == b'{"a":1}'


async def test_key_ids_are_thumbprints_and_no_private_member_is_published_rfc7638(house: House) -> None:
    answer = await house.http.get("/jwks")
    keys = answer.json()["keys"]
    assert sorted(key["alg"] for key in keys) == sorted(ALGORITHMS)
    for key in keys:
        assert key["use"] == "sig"
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        assert import_key(key).thumbprint() == key["kid"]


@pytest.mark.parametrize(("signed", "claimed"), [("RS256", "PS256"), ("PS256", "RS256"), ("ES256", "EdDSA")])
def test_signature_of_one_algorithm_is_none_of_another_rfc8725_3_1(signed: str, claimed: str) -> None:
    key = jose.generate(signed)
    signature = jose.sign(key, signed, b"data")
    assert jose.verify(key.public_key(), signature, b"data", signed)
    assert not jose.verify(key.public_key(), signature, b"data", claimed)
    assert not jose.verify(key.public_key(), signature, b"data", "none")


async def test_keys_are_kept_sealed(house: House, folder: Any) -> None:
    kept = (folder / "auth.db").read_bytes()
    assert b"BEGIN PRIVATE KEY" not in kept
    key = jose.from_bytes(jose.to_bytes(jose.generate("ES256")))
    assert jose.to_bytes(key)[:20] not in kept  # the PKCS #8 prefix of every P-256 key


async def test_another_secret_cannot_open_the_keys(grown: Any, folder: Any, clock: Any) -> None:
    (folder / "secret.key").unlink()
    with pytest.raises(SecretKeyError, match="not the one"):
        async with running_house(settings_in(folder), clock):
            pass


@pytest.mark.parametrize("typ", ["JWT", "at+jwt "])
async def test_type_is_checked_rfc9068_4(house: House, typ: str) -> None:
    token = house.app.keys.sign("ES256", typ, b"{}")
    with pytest.raises(UnverifiedTokenError):
        house.app.keys.verify(token, typ="at+jwt")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "PS256", "es256"])
async def test_algorithm_of_the_header_must_be_the_keys_rfc8725_3_1(house: House, algorithm: str) -> None:
    good = house.app.keys.sign("ES256", "at+jwt", b"{}")
    forged = header(good) | {"alg": algorithm}
    parts = good.split(".")
    parts[0] = jose.encode64(msgspec.json.encode(forged)).decode()
    for signature in (parts[2], ""):
        with pytest.raises(UnverifiedTokenError):
            house.app.keys.verify(".".join([*parts[:2], signature]), typ="at+jwt")


@pytest.mark.parametrize("text", ["AB", "AA=", "AA==", "A", "A+", "A/", "A\n", "AAé"])
def test_base64url_is_read_strictly_rfc7515_2(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding"):
        jose.decode64(text.encode())


def test_sealed_value_opens_for_its_purpose_only() -> None:
    secret = SecretKey(b"k" * 32, service="auth-svc")
    sealed = secret.seal(b"plain", purpose="a")
    assert secret.unseal(sealed, purpose="a") == b"plain"
    with pytest.raises(SecretKeyError):
        secret.unseal(sealed, purpose="b")
    with pytest.raises(SecretKeyError):
        secret.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), purpose="a")
    assert secret.derive("a") != secret.derive("b")
    assert "k" * 10 not in repr(secret)
