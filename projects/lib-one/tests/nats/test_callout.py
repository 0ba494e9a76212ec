"""The auth callout's wire format: who may ask, and what is answered. The real server's part is in auth-svc's tests."""

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec
import nkeys
import pytest

from lib_one.nats.callout import AUDIENCE, CalloutError, Shown, read
from lib_one.nats.seeds import CurveKey, new_account_seed, new_curve_seed, new_user_seed, public_key

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SERVER, OTHER_SERVER = (
    nkeys.from_seed(bytearray(nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_SERVER))) for _ in range(2)
)
HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}


def encode(value: object) -> bytes:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=")


def question(signer: nkeys.KeyPair = SERVER, *, header: dict[str, str] = HEADER, **changes: Any) -> bytes:
    """What a server sends when somebody connects."""
    claims: dict[str, Any] = {
        "iss": SERVER.public_key.decode(),
        "aud": AUDIENCE,
        "exp": int(NOW.timestamp()) + 2,
        "nats": {
            "server_id": {"id": SERVER.public_key.decode()},
            "user_nkey": "UABC",
            "client_info": {"id": 7, "nonce": "given by the server"},
            "connect_opts": {"auth_token": "the token", "sig": "the proof", "nonce": "made up", "protocol": 1},
        },
    }
    signed = encode(header) + b"." + encode(claims | changes)
    return signed + b"." + base64.urlsafe_b64encode(signer.sign(signed)).rstrip(b"=")


def test_a_question_tells_what_the_connection_shows() -> None:
    request = read(question(), now=NOW)
    assert request.nats.shown == Shown("the token", "the proof", "given by the server")
    assert request.nats.user_nkey == "UABC"


@pytest.mark.parametrize(
    "forged",
    [
        question(OTHER_SERVER),
        question(iss=OTHER_SERVER.public_key.decode()),
        question(OTHER_SERVER, iss=OTHER_SERVER.public_key.decode()),
        question(iss=public_key(new_user_seed())),
        question(header={"typ": "JWT", "alg": "none"}),
        question(aud="something-else"),
        question(exp=int(NOW.timestamp())),
        question()[:-4] + b"AAAA",
        question().rpartition(b".")[0] + b".",
        b"",
        b"not a token",
        b"a.b.c",
    ],
    ids=range(12),
)
def test_who_is_no_server_asks_nothing(forged: bytes) -> None:
    with pytest.raises(CalloutError):
        read(forged, now=NOW)


def test_what_is_sealed_is_for_one_reader_and_from_one_writer() -> None:
    writer, reader, other = (CurveKey(new_curve_seed()) for _ in range(3))
    sealed = writer.seal(b"secret", reader.public)
    assert b"secret" not in sealed
    assert reader.open(sealed, writer.public) == b"secret"
    for key, sender, message in (
        (other, writer.public, sealed),
        (reader, other.public, sealed),
        (reader, writer.public, sealed[:-1]),
        (reader, writer.public, sealed[4:]),
        (reader, writer.public, sealed[:20]),
        (reader, "", sealed),
        (reader, public_key(new_user_seed()), sealed),
    ):
        with pytest.raises(ValueError, match=r"."):
            key.open(message, sender)


def test_seeds_say_what_they_are_for() -> None:
    made = [new_user_seed(), new_account_seed(), new_curve_seed()]
    assert [seed[:2] for seed in made] == ["SU", "SA", "SX"]
    assert [public_key(seed)[0] for seed in made] == ["U", "A", "X"]
    assert public_key(made[2]) == CurveKey(made[2]).public
    for wrong in ("", "SX", "SXNOTASEED", "SUNOTASEED", made[2][:-20], "no seed at all"):
        with pytest.raises(ValueError, match=r"."):
            public_key(wrong)
    with pytest.raises(ValueError, match="curve"):
        CurveKey(made[0])
