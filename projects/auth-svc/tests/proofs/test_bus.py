"""DPoP at the door of the bus (RFC 9449 sections 4.3 and 7), as a nats-server asks about a connection."""

from typing import Any

import pytest

from auth_svc.bus_admission.admission import BusAdmission
from auth_svc.grants import Confirmation
from auth_svc.testing import House
from lib_one.nats.callout import Admission, Shown

ADDRESS = "tls://bus.example:4222"
NONCE = "lJVW5fVSHbzaPpo"
CERTIFICATE = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"


@pytest.fixture
def admission(house: House) -> BusAdmission:
    app = house.app
    return BusAdmission(
        app.ledger,
        app.tokens,
        app.possession,
        issuer=house.issuer,
        resource=house.resource,
        addresses=["nats://127.0.0.1:4222", ADDRESS, "wss://bus.example/nats"],
    )


async def bound(house: House, prover: Any) -> str:
    """A token of the person that is bound to the key."""
    tokens = await house.tokens(confirmation=Confirmation(jkt=prover.jkt))
    token: str = tokens["access_token"]
    return token


def proof(prover: Any, token: str, address: str = ADDRESS, **changes: Any) -> str:
    """A proof that is good at the door, unless told otherwise."""
    return str(prover.proof(method="CONNECT", **{"token": token, "htu": address, "nonce": NONCE, **changes}))


async def test_bound_token_comes_in_with_a_proof_for_any_address_of_the_bus_4_3(
    house: House, prover: Any, admission: BusAdmission
) -> None:
    token = await bound(house, prover)
    for address in (
        ADDRESS,
        "TLS://Bus.Example",
        "tls://bus.example:4222/",
        "nats://127.0.0.1",
        "wss://bus.example:443/nats",
    ):
        admitted = await admission.decide(Shown(token, proof(prover, token, address), NONCE))
        assert isinstance(admitted, Admission), admitted
        assert admitted.expires_at == house.claims(token)["exp"]
        assert "live.shipments.>" in admitted.subscribe


BAD: list[tuple[str, dict[str, Any]]] = [
    ("htm is another method", {"htm": "GET"}),
    ("htu is no address of the bus", {"htu": "tls://elsewhere.example:4222"}),
    ("htu is no address of the bus", {"htu": "nats://bus.example:4222"}),
    ("htu is no address of the bus", {"htu": "http://127.0.0.1:8400/token"}),
    ("htu is no address of the bus", {"htu": "::"}),
    ("ath is not the hash of the access token", {"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}),
    ("ath is not the hash of the access token", {"ath": None}),
    ("iat is too old, or in the future", {"age": 61}),
    ("iat is too old, or in the future", {"age": -11}),
    ("nonce is not the connection's", {"nonce": "another"}),
    ("nonce is not the connection's", {"nonce": None}),
    ("no jwk", {"header": {"jwk": None}}),
    ("typ is not dpop+jwt", {"header": {"typ": "JWT"}}),
]


async def test_proof_for_something_else_is_refused_and_left_unused_4_3(
    house: House, prover: Any, admission: BusAdmission
) -> None:
    token, now = await bound(house, prover), int(house.clock().timestamp())
    for reason, changes in BAD:
        given = {"jti": "the same", **changes}
        made = proof(prover, token, iat=now - given.pop("age", 0), **given)
        assert await admission.decide(Shown(token, made, NONCE)) == f"the proof is not good: {reason}", changes
    for age in (60, -10):
        made = proof(prover, token, iat=now - age, jti=f"of {age}")
        assert isinstance(await admission.decide(Shown(token, made, NONCE)), Admission)
    made = proof(prover, token, jti="the same")
    assert isinstance(await admission.decide(Shown(token, made, NONCE)), Admission)


async def test_proof_is_for_one_connection_and_good_once_8_and_11_1(
    house: House, prover: Any, admission: BusAdmission
) -> None:
    token = await bound(house, prover)
    first = proof(prover, token)
    assert isinstance(await admission.decide(Shown(token, first, NONCE)), Admission)
    used, others = "the proof is not good: jti was used before", "the proof is not good: nonce is not the connection's"
    assert await admission.decide(Shown(token, first, NONCE)) == used
    assert await admission.decide(Shown(token, first, "of the next connection")) == others
    jti = "the same"
    for nonce, expected in (("1", None), ("2", used)):
        decision = await admission.decide(Shown(token, proof(prover, token, jti=jti, nonce=nonce), nonce))
        assert isinstance(decision, Admission) if expected is None else decision == expected
    for nonce in ("", None):  # of a server that gives none
        assert await admission.decide(Shown(token, proof(prover, token, nonce=nonce))) == others


async def test_key_is_the_one_of_the_token_and_a_bound_token_no_bearer_token_6_1_and_7_2(
    house: House, prover: Any, thief: Any, admission: BusAdmission
) -> None:
    token = await bound(house, prover)
    for shown, refusal in (
        (Shown(token, proof(thief, token), NONCE), "the access token is bound to another key"),
        (Shown(token, nonce=NONCE), "the access token is bound to a key, and no proof came with it"),
    ):
        assert await admission.decide(shown) == refusal
    bearer = (await house.tokens())["access_token"]
    assert isinstance(await admission.decide(Shown(bearer, nonce=NONCE)), Admission)
    refusal = "a proof with an access token that is bound to no key"
    assert await admission.decide(Shown(bearer, proof(prover, bearer), NONCE)) == refusal


async def test_token_that_is_bound_to_a_certificate_stays_outside_rfc8705_3(
    house: House, prover: Any, admission: BusAdmission
) -> None:
    for confirmation in (Confirmation(x5t_s256=CERTIFICATE), Confirmation(x5t_s256=CERTIFICATE, jkt=prover.jkt)):
        token = (await house.tokens(confirmation=confirmation))["access_token"]
        refusal = "the access token is bound to a certificate, and the bus asks nobody for one"
        for signed in ("", proof(prover, token)):
            assert await admission.decide(Shown(token, signed, NONCE)) == refusal
