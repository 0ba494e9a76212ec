"""Keys of clients at an address (RFC 7591 section 2, OIDC Core section 10.1.1)."""

from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwk

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.clients.client_keys import freshness
from auth_svc.testing import House
from lib_one.http import Response

URI = "https://bank.example/jwks"


@pytest.fixture
async def remote(bank: Any) -> Any:
    await bank.register(jwks_uri=URI)
    return bank


def serve(house: House, *keys: Any, cache: str = "") -> None:
    headers = {"cache-control": cache} if cache else {}
    house.web[URI] = Response(200, json={"keys": [key.as_dict(private=False) for key in keys]}, headers=headers)


def key(name: str) -> Any:
    return jwk.ECKey.generate_key("P-256", {"kid": name})


async def accepted(remote: Any, signed_with: Any) -> bool:
    answer = await remote.ask(remote.sign(remote.claims(), key=signed_with))
    assert answer.status_code in {200, 401}, answer.text
    return bool(answer.status_code == 200)


async def test_keys_are_fetched_once_and_kept(remote: Any, house: House) -> None:
    one = key("one")
    serve(house, one)
    for _ in range(3):
        assert await accepted(remote, one)
    assert len(house.web.requests) == 1


async def test_an_unknown_kid_fetches_again_so_a_rotated_key_is_seen_at_once_oidc_core_10_1_1(
    remote: Any, house: House
) -> None:
    one, two = key("one"), key("two")
    serve(house, one)
    assert await accepted(remote, one)
    serve(house, one, two)
    house.clock.advance(timedelta(seconds=31))
    assert await accepted(remote, two)
    assert len(house.web.requests) == 2


async def test_unknown_kids_do_not_make_this_server_a_hammer(remote: Any, house: House) -> None:
    one = key("one")
    serve(house, one)
    for number in range(5):
        assert not await accepted(remote, key(f"other {number}"))
    assert len(house.web.requests) == 1
    assert await accepted(remote, one)


async def test_a_withdrawn_key_is_no_longer_believed_when_the_answer_was_said_to_be_old(
    remote: Any, house: House
) -> None:
    one, two = key("one"), key("two")
    serve(house, one, cache="max-age=120")
    assert await accepted(remote, one)
    serve(house, two)
    house.clock.advance(timedelta(seconds=119))
    assert await accepted(remote, one)
    house.clock.advance(timedelta(seconds=2))
    assert not await accepted(remote, one)


async def test_keys_outlive_an_outage_of_their_address_for_a_while(remote: Any, house: House) -> None:
    one = key("one")
    serve(house, one)
    assert await accepted(remote, one)
    del house.web[URI]
    house.clock.advance(timedelta(minutes=30))
    assert await accepted(remote, one)
    house.clock.advance(timedelta(hours=1))
    assert not await accepted(remote, one)
    serve(house, one)
    house.clock.advance(timedelta(seconds=31))
    assert await accepted(remote, one)


@pytest.mark.parametrize(
    "answer",
    [
        Response(404),
        Response(302, headers={"location": "https://bank.example/other"}),
        Response(200, content=b"not json"),
        Response(200, content=b'{"keys":7}'),
        Response(200, content=b'{"keys":[7,null,{"kty":"EC"}]}'),
        Response(200, content=b"[]"),
        Response(200, content=b"[" * 60_000),
        Response(200, content=b"x" * 70_000),
    ],
)
async def test_what_is_no_key_set_makes_no_key(remote: Any, house: House, answer: Response) -> None:
    house.web[URI] = answer
    assert not await accepted(remote, key("one"))
    assert not await accepted(remote, key("one"))
    assert len(house.web.requests) == 1


async def test_a_key_for_encryption_or_another_algorithm_proves_nothing_rfc7517_4(bank: Any) -> None:
    one = key("one")
    public = one.as_dict(private=False)
    for marked in ({"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["encrypt"]}):
        await bank.register(jwks={"keys": [public | marked, key("two").as_dict(private=False)]})
        assert not await accepted(bank, one)
    await bank.register(jwks={"keys": [{"kty": "oct", "k": "AA"}, public | {"use": "sig", "alg": "ES256"}]})
    assert await accepted(bank, one)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 600),
        ("max-age=300", 300),
        ("public, Max-Age=300, immutable", 300),
        ("s-maxage=5", 600),
        ("max-age=0", 60),
        ("no-store", 60),
        ("max-age=999999999", 86400),
        ("max-age=9999999999999999", 600),
        ("max-age=-1", 600),
    ],
)
def test_cache_headers_count_within_bounds_rfc9111_5_2(header: str, seconds: int) -> None:
    assert freshness(header) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": 7}},
        {"jwks": {}},
        {"jwks": {"keys": [key("one").as_dict(private=True)]}},
        {"jwks": {"keys": [key("one").as_dict(private=False)]}, "jwks_uri": URI},
        {"jwks_uri": "http://bank.example/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": URI, "token_endpoint_auth_signing_alg": "HS256"},
        {"jwks_uri": URI, "secret": "s" * 43},
    ],
)
async def test_unfit_keys_cannot_be_registered_rfc7591_2(house: House, changes: dict[str, Any]) -> None:
    new = NewClient(client_id="bank", client_name="Bank", token_endpoint_auth_method="private_key_jwt", **changes)
    with pytest.raises(RegistrationError):
        await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))
