"""The rows: what a request on each hot path costs."""

import asyncio
import json
import time
from datetime import timedelta
from functools import partial
from typing import Any

from auth_svc.keys import jose
from benchmarks.load import Request
from benchmarks.running import REDIRECT_URI, SCOPE, Bench, Row, basic
from benchmarks.stored import VERIFIER, grant_tokens, live_codes
from lib_one.event import new_id

GRANTS = (1_000, 100_000, 1_000_000)
EXPIRED = 300_000
"""Rows, half of them grants and half their refresh tokens."""
_ASKED_ABOUT = 20_000
"""Tokens that are asked about in turn, spread over all that there are."""


def path_rows(bench: Bench) -> list[Row]:
    """The hot paths of both services."""
    token = bench.tokens(1)[0]
    app = basic("app-svc", bench.secret("app-svc"))
    look = f"/shipments/{asyncio.run(bench.shipment(token))}"
    client_credentials = {"grant_type": "client_credentials", "scope": "shipments:read"}

    def once(request: Request) -> Any:
        return lambda _count: [request]

    def refreshes(count: int) -> list[Request]:
        tokens = grant_tokens(bench, count)
        return [bench.post("/token", grant_type="refresh_token", refresh_token=token) for token in tokens]

    def exchanges(count: int) -> list[Request]:
        form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}
        return [bench.post("/token", **form, code=code) for code in live_codes(bench, count)]

    def proven(count: int) -> list[Request]:
        proofs = _proofs(f"{bench.system.issuer}/token", count)
        return [bench.post("/token", **client_credentials, proof=proof) for proof in proofs]

    pushed = bench.post(
        "/par",
        client_id="benchmark",
        response_type="code",
        redirect_uri=REDIRECT_URI,
        scope=f"openid {SCOPE}",
        state="x" * 32,
        code_challenge="c" * 43,
        code_challenge_method="S256",
    )
    introspect = Request("POST", "/introspect", app, f"token={token}")
    discovery = "/.well-known/openid-configuration"
    return [
        Row("POST /token, client credentials", "auth-svc", once(bench.post("/token", **client_credentials))),
        Row("POST /token, client credentials, DPoP", "auth-svc", proven, rate=6_000),
        Row("POST /token, refresh with rotation", "auth-svc", refreshes, rate=8_000),
        Row("POST /token, code with ID and refresh token", "auth-svc", exchanges, rate=4_000),
        Row("POST /par", "auth-svc", once(pushed)),
        Row("POST /introspect", "auth-svc", once(introspect)),
        Row("GET /jwks", "auth-svc", once(Request("GET", "/jwks"))),
        Row("GET /.well-known/openid-configuration", "auth-svc", once(Request("GET", discovery))),
        Row("GET /shipments/{id}, token seen before", "app-svc", once(Request("GET", look, f"Bearer {token}"))),
        Row(
            "GET /shipments/{id}, token never seen",
            "app-svc",
            lambda count: [Request("GET", look, f"Bearer {other}") for other in bench.tokens(count)],
            rate=4_000,
            warm=False,
        ),
    ]


def grant_rows(bench: Bench) -> list[Row]:
    """Introspection of refresh tokens, and of an access token, as the number of live grants grows."""
    tokens: list[str] = []

    def refresh_tokens(size: int, _count: int) -> list[Request]:
        tokens.extend(grant_tokens(bench, size - len(tokens)))
        chosen = tokens[:: max(1, size // _ASKED_ABOUT)]
        return [bench.post("/introspect", token=token) for token in chosen]

    def access_token(_count: int) -> list[Request]:
        answer = bench.ask([bench.post("/token", grant_type="refresh_token", refresh_token=tokens.pop())])
        return [bench.post("/introspect", token=answer[0]["access_token"])]

    rows = []
    for size in GRANTS:
        among = f"among {size:,} grants"
        rows += [
            Row(f"POST /introspect, refresh token {among}", "auth-svc", partial(refresh_tokens, size)),
            Row(f"POST /introspect, access token {among}", "auth-svc", access_token),
        ]
    return rows


def purge_rows(bench: Bench) -> list[Row]:
    """/token while housekeeping deletes a great many expired rows."""

    def purging(_count: int) -> list[Request]:
        grant_tokens(bench, EXPIRED // 2, life=timedelta(days=-1))
        bench.restart()
        return [bench.post("/token", grant_type="client_credentials", scope="shipments:read")]

    return [Row(f"POST /token while {EXPIRED:,} rows are purged", "auth-svc", purging)]


def _proofs(uri: str, count: int) -> list[str]:
    """DPoP proofs of one key, made beforehand: the client's work is not what is measured."""
    key = jose.generate("ES256")
    _, jwk = jose.thumbprint_and_jwk(key.public_key(), "ES256")
    public = {name: jwk[name] for name in ("kty", "crv", "x", "y")}
    header = jose.encode64(json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": public}).encode()) + b"."
    found = []
    for _ in range(count):
        claims = {"jti": new_id(), "htm": "POST", "htu": uri, "iat": int(time.time())}
        signed = header + jose.encode64(json.dumps(claims).encode())
        found.append((signed + b"." + jose.encode64(jose.sign(key, "ES256", signed))).decode())
    return found
