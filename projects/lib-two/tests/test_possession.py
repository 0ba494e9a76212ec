"""Bound tokens at a guarded API (RFC 9449 sections 4.3, 7 and 9). The proofs are made here, by joserfc alone."""

import base64
import json
import ssl
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from lib_one import http as web
from lib_one.event import new_id
from lib_one.testing import Clock
from lib_two import possession
from lib_two.errors import InvalidProof, InvalidToken, Refused
from lib_two.fastapi import install, require
from lib_two.guard import Guard, Principal
from lib_two.possession import Possession, Shown
from lib_two.testing import FakeIssuer, fresh_view
from lib_two.validation import Confirmation

RESOURCE = "http://127.0.0.1:8401"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Prover:
    """Somebody with a key. Makes good proofs unless told otherwise; None takes a member away."""

    def __init__(self, clock: Clock, algorithm: str = "ES256") -> None:
        self.clock = clock
        self.algorithm = algorithm
        self.key: Any = {
            "ES256": lambda: ECKey.generate_key("P-256"),
            "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
            "PS256": lambda: RSAKey.generate_key(2048),
            "RS256": lambda: RSAKey.generate_key(2048),
        }[algorithm]()
        self.jkt: str = self.key.thumbprint()

    def proof(self, token: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        usual = {
            "jti": new_id(),
            "htm": "GET",
            "htu": f"{RESOURCE}/shipments",
            "iat": int(self.clock().timestamp()),
            "ath": encoded(sha256(token.encode()).digest()),
        }
        head = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.key.as_dict(private=False), **(header or {})}
        parts = [
            {name: value for name, value in members.items() if value is not None} for members in (head, usual | claims)
        ]
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        signature = jws.JWSRegistry.algorithms[self.algorithm].sign(signed.encode(), self.key)
        return f"{signed}.{encoded(signature)}"

    def shows(self, token: str, **more: Any) -> dict[str, str]:
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(token, **more)}


@pytest.fixture
def prover(clock: Clock) -> Prover:
    return Prover(clock)


@pytest.fixture
def thief(clock: Clock) -> Prover:
    return Prover(clock)


type MakeApi = Callable[..., web.AsyncClient]


@pytest.fixture
def make_api(issuer: FakeIssuer, http: web.AsyncClient, clock: Clock) -> MakeApi:
    def make(nonce_key: bytes | None = None) -> web.AsyncClient:
        guard = Guard(
            issuer=issuer.url,
            audience=RESOURCE,
            view=fresh_view(clock),
            http=http,
            client_id="app-svc",
            client_secret="app-svc-secret",
            now=clock,
            nonce_key=nonce_key,
        )
        app = FastAPI()
        install(app, guard, resource=RESOURCE, issuer=issuer.url, scopes=("shipments:read",))

        @app.get("/shipments")
        async def shipments(principal: Annotated[Principal, Depends(require("shipments:read"))]) -> dict[str, Any]:
            return {"subject": principal.subject}

        return web.client(base_url=RESOURCE, transport=web.ASGITransport(app=app))

    return make


@pytest.fixture
def api(make_api: MakeApi) -> web.AsyncClient:
    return make_api()


@pytest.fixture
def token(issuer: FakeIssuer, prover: Prover) -> str:
    return issuer.mint("user-1", "shipments:read", cnf={"jkt": prover.jkt})


def refused(response: web.Response, code: str, scheme: str = "DPoP") -> bool:
    assert (response.status_code, response.json()["error"]) == (401, code), response.text
    (challenge,) = response.headers.get_list("WWW-Authenticate")
    assert challenge.startswith(scheme + " ")
    assert f'error="{code}"' in challenge
    assert ('algs="ES256 PS256 EdDSA Ed25519"' in challenge) == (scheme == "DPoP")
    return True


async def test_bound_token_with_its_proof_gets_in_rfc9449_7_1(api: web.AsyncClient, prover: Prover, token: str) -> None:
    for path in ("/shipments", "/shipments?a=b"):
        response = await api.get(path, headers=prover.shows(token))
        assert (response.status_code, response.json()) == (200, {"subject": "user-1"})


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "Ed25519"])
async def test_each_algorithm_is_taken_rfc9449_4_3(
    api: web.AsyncClient, issuer: FakeIssuer, clock: Clock, algorithm: str
) -> None:
    prover = Prover(clock, algorithm)
    token = issuer.mint("user-1", "shipments:read", cnf={"jkt": prover.jkt})
    assert (await api.get("/shipments", headers=prover.shows(token))).status_code == 200


async def test_bound_token_is_no_bearer_token_rfc9449_7_2(api: web.AsyncClient, prover: Prover, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert refused(await api.get("/shipments", headers=headers), "invalid_token", "Bearer")
    headers["DPoP"] = prover.proof(token)
    assert refused(await api.get("/shipments", headers=headers), "invalid_token", "Bearer")


async def test_unbound_token_is_no_dpop_token_rfc9449_7_1(
    api: web.AsyncClient, issuer: FakeIssuer, prover: Prover
) -> None:
    unbound = issuer.mint("user-1", "shipments:read")
    assert refused(await api.get("/shipments", headers=prover.shows(unbound)), "invalid_token")


async def test_key_is_the_one_that_the_token_is_bound_to_rfc9449_4_3(
    api: web.AsyncClient, thief: Prover, token: str
) -> None:
    assert refused(await api.get("/shipments", headers=thief.shows(token)), "invalid_token")


async def test_there_is_exactly_one_proof_rfc9449_4_3(api: web.AsyncClient, prover: Prover, token: str) -> None:
    authorization = ("Authorization", f"DPoP {token}")
    assert refused(await api.get("/shipments", headers=[authorization]), "invalid_dpop_proof")
    two = [("DPoP", prover.proof(token)), ("DPoP", prover.proof(token))]
    assert refused(await api.get("/shipments", headers=[authorization, *two]), "invalid_dpop_proof")


async def test_proof_has_at_most_8192_characters(api: web.AsyncClient, prover: Prover, token: str) -> None:
    """It is read before anything is known of who sends it, so it must not cost much."""
    lengths = []
    for padding, status in ((5_500, 200), (6_500, 401)):
        proof = prover.proof(token, more="x" * padding)
        lengths.append(len(proof))
        response = await api.get("/shipments", headers={"Authorization": f"DPoP {token}", "DPoP": proof})
        assert response.status_code == status
    assert refused(response, "invalid_dpop_proof")
    assert lengths[0] < 8_192 < lengths[1]


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "POST"},
        {"htm": "get"},
        {"htu": f"{RESOURCE}/other"},
        {"htu": "http://127.0.0.1:8402/shipments"},
        {"htu": "https://127.0.0.1:8401/shipments"},
        {"htu": "http://me@127.0.0.1:8401/shipments"},
        {"htu": "http://[::1/shipments"},
        {"htu": 1},
        {"htu": None},
        {"jti": None},
        {"jti": ""},
        {"jti": 1},
        {"iat": None},
        {"iat": True},
        {"iat": "now"},
        {"ath": None},
        {"ath": "another"},
        {"ath": 1},
    ],
)
async def test_proof_is_for_this_request_and_this_token_rfc9449_4_3(
    api: web.AsyncClient, prover: Prover, token: str, claims: dict[str, Any]
) -> None:
    assert refused(await api.get("/shipments", headers=prover.shows(token, **claims)), "invalid_dpop_proof")


async def test_address_is_compared_without_query_and_fragment_rfc9449_4_3(
    api: web.AsyncClient, prover: Prover, token: str
) -> None:
    for htu in ("http://127.0.0.1:8401/shipments?a=b#c", "HTTP://127.0.0.1:8401/shipments"):
        assert (await api.get("/shipments", headers=prover.shows(token, htu=htu))).status_code == 200


@pytest.mark.parametrize(("seconds", "good"), [(10, True), (11, False), (-60, True), (-61, False), (1e300, False)])
async def test_proof_is_good_for_a_minute_rfc9449_4_3(
    api: web.AsyncClient, prover: Prover, clock: Clock, token: str, seconds: float, good: bool
) -> None:
    response = await api.get("/shipments", headers=prover.shows(token, iat=clock().timestamp() + seconds))
    assert response.status_code == 200 if good else refused(response, "invalid_dpop_proof")


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"jwk": None},
        {"jwk": "key"},
        {"jwk": {"kty": "EC"}},
        {"jwk": {"kty": ["EC"]}},
        {"jwk": OctKey.generate_key().as_dict()},
        {"jwk": ECKey.generate_key("P-256").as_dict(private=False)},
        {"jwk": ECKey.generate_key("P-384").as_dict(private=False)},
        {"crit": ["exp"]},
        {"crit": []},
    ],
)
async def test_header_of_a_proof_is_checked_rfc9449_4_3(
    api: web.AsyncClient, prover: Prover, token: str, header: dict[str, Any]
) -> None:
    assert refused(await api.get("/shipments", headers=prover.shows(token, header=header)), "invalid_dpop_proof")


async def test_private_key_in_a_proof_is_refused_rfc9449_4_3(api: web.AsyncClient, prover: Prover, token: str) -> None:
    header = {"jwk": prover.key.as_dict(private=True)}
    assert refused(await api.get("/shipments", headers=prover.shows(token, header=header)), "invalid_dpop_proof")


async def test_other_algorithms_are_refused_rfc9449_4_3(api: web.AsyncClient, issuer: FakeIssuer, clock: Clock) -> None:
    prover = Prover(clock, "RS256")
    token = issuer.mint("user-1", "shipments:read", cnf={"jkt": prover.jkt})
    assert refused(await api.get("/shipments", headers=prover.shows(token)), "invalid_dpop_proof")


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(("size", "good"), [(1024, False), (2048, True)])
def test_rsa_key_of_a_proof_is_large_enough_rfc7518_3_5(clock: Clock, size: int, good: bool) -> None:
    prover = Prover(clock, "PS256")
    prover.key = RSAKey.generate_key(size)
    shown = Shown(token="t", scheme="dpop", method="GET", path="/shipments", proofs=(prover.proof("t"),))
    bound = Confirmation(jkt=prover.key.thumbprint())
    if good:
        Possession(RESOURCE).check(shown, bound, now=clock())
    else:
        with pytest.raises(InvalidProof) as refusal:
            Possession(RESOURCE).check(shown, bound, now=clock())
        assert "RSA" in (refusal.value.detail or "")


async def test_proof_is_good_once_rfc9449_11_1(api: web.AsyncClient, prover: Prover, token: str) -> None:
    headers = prover.shows(token)
    assert (await api.get("/shipments", headers=headers)).status_code == 200
    assert refused(await api.get("/shipments", headers=headers), "invalid_dpop_proof")


async def test_nonce_is_asked_for_and_taken_rfc9449_9(
    make_api: MakeApi, prover: Prover, clock: Clock, token: str
) -> None:
    api = make_api(b"a key")
    for made_up in (None, "", "made up", 1):
        response = await api.get("/shipments", headers=prover.shows(token, nonce=made_up))
        assert refused(response, "use_dpop_nonce")
    nonce = response.headers["DPoP-Nonce"]
    assert (await api.get("/shipments", headers=prover.shows(token, nonce=nonce))).status_code == 200
    clock.advance(timedelta(seconds=60))
    # Another process of the same resource server knows it as well.
    assert (await make_api(b"a key").get("/shipments", headers=prover.shows(token, nonce=nonce))).status_code == 200
    assert refused(
        await make_api(b"another").get("/shipments", headers=prover.shows(token, nonce=nonce)), "use_dpop_nonce"
    )
    clock.advance(timedelta(seconds=60))
    assert refused(await api.get("/shipments", headers=prover.shows(token, nonce=nonce)), "use_dpop_nonce")


async def test_binding_that_is_not_understood_is_not_ignored_rfc7800_3_1(
    api: web.AsyncClient, issuer: FakeIssuer, prover: Prover
) -> None:
    for cnf in ({}, {"kid": "a"}, {"jkt": 1}, {"jkt": prover.jkt, "kid": "a"}, "jkt", None):
        if cnf is None:
            continue
        token = issuer.mint("user-1", "shipments:read", cnf=cnf)
        response = await api.get("/shipments", headers={"Authorization": f"Bearer {token}"})
        assert refused(response, "invalid_token", "Bearer")
        assert refused(await api.get("/shipments", headers=prover.shows(token)), "invalid_token")


def test_used_proofs_are_forgotten_when_too_old_or_too_many(
    prover: Prover, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(possession, "MOST_USED", 3)
    checker = Possession(RESOURCE)

    def show(proof: str) -> None:
        shown = Shown(token="t", scheme="dpop", method="GET", path="/shipments", proofs=(proof,))
        checker.check(shown, Confirmation(jkt=prover.jkt), now=clock())

    proofs = [prover.proof("t") for _ in range(4)]
    for proof in proofs[:3]:
        show(proof)
    with pytest.raises(InvalidProof):
        show(proofs[2])
    show(proofs[3])
    assert len(checker._used) == len(checker._in_order) <= 3
    clock.advance(timedelta(seconds=71))
    show(prover.proof("t"))
    assert len(checker._used) == 1


@given(st.text() | st.from_regex(r"eyJ[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,90}", fullmatch=True))
def test_no_proof_brings_another_error(proof: str) -> None:
    shown = Shown(token="t", scheme="dpop", method="GET", path="/shipments", proofs=(proof,))
    with pytest.raises(Refused):
        Possession(RESOURCE).check(shown, Confirmation(jkt="a"), now=Clock()())


async def test_bound_token_alone_is_refused_whoever_asks(issuer: FakeIssuer, token: str, api: web.AsyncClient) -> None:
    """A guard that is asked about a bare token takes it for a bearer token; only `check_again` does not."""
    guard: Guard = api._transport.app.state.guard  # type: ignore[attr-defined]
    with pytest.raises(InvalidToken):
        await guard.check(token)
    assert (await guard.check_again(token)).subject == "user-1"


async def test_certificate_bound_token_needs_its_certificate_rfc8705_3(issuer: FakeIssuer, make_api: MakeApi) -> None:
    der = b"a certificate"
    token = issuer.mint("user-1", "shipments:read", cnf={"x5t#S256": encoded(sha256(der).digest())})
    app = make_api()._transport.app  # type: ignore[attr-defined]

    async def status(certificate: bytes | None) -> int:
        async def with_tls(scope: Any, receive: Any, send: Any) -> None:
            chain = [] if certificate is None else [ssl.DER_cert_to_PEM_cert(certificate)]
            tls = {"client_cert_chain": chain, "client_cert_error": None}
            await app({**scope, "extensions": {"tls": tls}}, receive, send)

        async with web.client(base_url=RESOURCE, transport=web.ASGITransport(with_tls)) as client:
            response = await client.get("/shipments", headers={"Authorization": f"Bearer {token}"})
        return response.status_code

    assert await status(der) == 200
    assert await status(b"another") == 401
    assert await status(None) == 401
