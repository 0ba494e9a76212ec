"""The client's proofs (RFC 9449 section 4.2), read by joserfc; nonces are followed and kept apart by server."""

import base64
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from lib_one import http as web
from lib_one.testing import Clock
from lib_two.dpop import Prover
from lib_two.errors import IssuerUnavailable
from lib_two.oauth_client import OAuthClient
from lib_two.session import ClientSession

API = "https://api.example/things?page=2#top"


def read(proof: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a proof whose signature is good."""
    head = json.loads(base64.urlsafe_b64decode(proof.split(".")[0] + "=="))
    found = jws.deserialize_compact(proof, ECKey.import_key(head["jwk"]), algorithms=["ES256"])
    return found.headers(), json.loads(found.payload)


def test_proof_says_what_it_must_rfc9449_4_2(clock: Clock) -> None:
    prover = Prover.new()
    header, claims = read(prover.proof("get", API, now=clock(), access_token="a token"))
    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
    assert ECKey.import_key(header["jwk"]).thumbprint() == prover.jkt
    assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
    digest = base64.urlsafe_b64encode(sha256(b"a token").digest()).rstrip(b"=").decode()
    assert claims.pop("jti")
    assert claims == {
        "htm": "GET",
        "htu": "https://api.example/things",
        "iat": int(clock().timestamp()),
        "ath": digest,
    }


def test_each_proof_is_another_rfc9449_4_2(clock: Clock) -> None:
    prover = Prover.new()
    ids = {read(prover.proof("POST", API, now=clock()))[1]["jti"] for _ in range(20)}
    assert len(ids) == 20


def test_key_can_be_kept_and_shows_itself_to_nobody() -> None:
    prover = Prover.new()
    again = Prover.from_bytes(prover.to_bytes())
    assert again.jkt == prover.jkt
    assert repr(prover) == f"Prover({prover.jkt})"
    for wrong in (
        b"",
        RSAKey.generate_key(2048).as_der(private=True),
        ECKey.generate_key("P-384").as_der(private=True),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - cryptography's words are its own
            Prover.from_bytes(wrong)


def response(url: str, status: int, nonce: str | None, error: str = "use_dpop_nonce", *, header: bool = False) -> Any:
    headers = {} if nonce is None else {"DPoP-Nonce": nonce}
    if header:
        headers["WWW-Authenticate"] = f'DPoP error="{error}"'
    answer = web.Response(status, headers=headers, json=None if header else {"error": error})
    answer.request = web.Request("POST", url)
    return answer


def test_nonce_is_for_the_server_that_gave_it_rfc9449_8_2(clock: Clock) -> None:
    prover = Prover.new()
    assert prover.heed(response("https://api.example/token", 400, "n1"))
    assert read(prover.proof("GET", API, now=clock()))[1]["nonce"] == "n1"
    assert "nonce" not in read(prover.proof("GET", "https://other.example/", now=clock()))[1]
    assert not prover.heed(response("https://api.example/x", 200, "n2"))
    assert read(prover.proof("GET", API, now=clock()))[1]["nonce"] == "n2"


def test_only_a_refusal_for_want_of_a_new_nonce_is_tried_again_rfc9449_8_and_9() -> None:
    prover = Prover.new()
    assert not prover.heed(response(API, 400, None))
    assert not prover.heed(response(API, 400, "n1", "invalid_grant"))
    assert prover.heed(response(API, 401, "n2", header=True))
    assert not prover.heed(response(API, 401, "n2", header=True))


METADATA = {"issuer": "https://as.example", "token_endpoint": "https://as.example/token"}


def issuer(answers: list[web.Response], asked: list[web.Request]) -> web.AsyncClient:
    def respond(request: web.Request) -> web.Response:
        if "well-known" in request.url.path:
            return web.Response(200, json=METADATA)
        asked.append(request)
        return answers.pop(0)

    return web.client(transport=web.MockTransport(respond))


GOOD = {"access_token": "t", "token_type": "DPoP", "expires_in": 60, "scope": "a"}


async def test_client_follows_the_nonce_of_its_issuer_once_rfc9449_8(clock: Clock) -> None:
    asked: list[web.Request] = []
    wants = {"headers": {"DPoP-Nonce": "n1"}, "json": {"error": "use_dpop_nonce"}}
    http = issuer([web.Response(400, **wants), web.Response(200, json=GOOD)], asked)
    prover = Prover.new()
    client = OAuthClient("https://as.example", "machine", client_secret="s", http=http, now=clock, prover=prover)
    tokens = await client.client_credentials("a")
    assert (tokens.token_type, tokens.proof_key) == ("DPoP", prover.to_bytes())
    proofs = [read(request.headers["DPoP"])[1] for request in asked]
    assert [proof.get("nonce") for proof in proofs] == [None, "n1"]
    assert proofs[0]["jti"] != proofs[1]["jti"]


async def test_issuer_that_binds_nothing_is_not_believed_rfc9449_5(clock: Clock) -> None:
    http = issuer([web.Response(200, json=GOOD | {"token_type": "Bearer"})], [])
    client = OAuthClient("https://as.example", "machine", client_secret="s", http=http, now=clock, prover=Prover.new())
    with pytest.raises(IssuerUnavailable):
        await client.client_credentials("a")


async def test_bound_machine_session_proves_its_key_to_the_api_rfc9449_7_1(clock: Clock) -> None:
    asked: list[web.Request] = []
    answers = [
        web.Response(401, headers={"DPoP-Nonce": "n1", "WWW-Authenticate": 'DPoP error="use_dpop_nonce"'}),
        web.Response(200, json={}),
    ]

    def respond(request: web.Request) -> web.Response:
        asked.append(request)
        return answers.pop(0)

    api = web.client(base_url="https://api.example/v1", transport=web.MockTransport(respond))
    session = ClientSession("https://as.example", "machine", "s", scope="a", now=clock, http=api, bound=True)
    session.oauth._http = issuer([web.Response(200, json=GOOD)], [])
    session.oauth.metadata._http = session.oauth._http
    async with session:
        await session.request("GET", "/things", params={"page": 2})
    assert {request.headers["Authorization"] for request in asked} == {"DPoP t"}
    first, second = (read(request.headers["DPoP"])[1] for request in asked)
    assert first["htu"] == second["htu"] == "https://api.example/v1/things"
    assert (first.get("nonce"), second["nonce"]) == (None, "n1")


async def test_bound_session_proves_its_key_to_each_connection_of_the_bus_rfc9449_4_2_and_8(clock: Clock) -> None:
    session = ClientSession("https://as.example", "machine", "s", scope="a", now=clock, bound=True)
    session.oauth._http = session.oauth.metadata._http = issuer([web.Response(200, json=GOOD)], [])
    async with session:
        shown = await session.bus_pass()
    assert (shown.token, shown.expires_at) == ("t", clock() + timedelta(seconds=60))
    assert shown.prove is not None
    address = "wss://bus.example/nats"
    claims = [read(shown.prove(address, nonce))[1] for nonce in ("n1", "n2")]
    assert [(one["htm"], one["htu"], one["nonce"]) for one in claims] == [
        ("CONNECT", address, "n1"),
        ("CONNECT", address, "n2"),
    ]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert claims[0]["ath"] == base64.urlsafe_b64encode(sha256(b"t").digest()).rstrip(b"=").decode()
