"""Whatever strangers send, the answer is one of ours: no 5xx, no exception outside the error tree, no stray redirect.

Every endpoint of the metadata is under fire, so a new one is as well from the day on which it is announced.
"""

import base64
import json
from typing import Any
from urllib.parse import quote_from_bytes, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auth_svc.testing import CHALLENGE, LOOPBACK, SECRET, VERIFIER, browsing
from lib_one.http import Response

FIRE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORM = {"content-type": "application/x-www-form-urlencoded"}

# What anything may look like: text with all of Unicode that UTF-8 has, JSON, and what is nearly a JWT.
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.sampled_from(
        ["", " ", "\x00", "\x7f", "\u202e", "é", "'\"<>&", "%00", "0" * 400, "-1", "NaN", "[]", "{}", "null"]
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
json_texts = values.map(lambda value: json.dumps(value, ensure_ascii=True))
headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64", "x5c", "jku"]),
    st.one_of(values, st.sampled_from(["ES256", "RS256", "none", "HS256", "at+jwt", "JWT", "dpop+jwt", "EdDSA"])),
    max_size=5,
)
CLAIM_NAMES = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "htm", "htu", "client_id", "ath", "nonce"]
claims = st.dictionaries(st.sampled_from(CLAIM_NAMES), values, max_size=6)


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


parts = st.one_of(st.binary(max_size=40), headers, claims)
jwts = st.one_of(
    st.builds(
        lambda header, payload, signature: f"{part(header)}.{part(payload)}.{part(signature)}", parts, parts, parts
    ),
    st.builds(lambda header, payload: f"{part(header)}.{part(payload)}.{part(b'x' * 64)}", headers, claims),
    st.lists(st.text("abAB01-_=.", max_size=20), max_size=6).map(".".join),
)
anything = st.one_of(texts, json_texts, jwts)

AUTHORIZATION = {
    "response_type": "code",
    "client_id": "cli-proj",
    "redirect_uri": LOOPBACK,
    "scope": "openid shipments:read",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
PARAMETERS = [
    *AUTHORIZATION,
    *("nonce", "prompt", "max_age", "login_hint", "id_token_hint", "claims", "acr_values", "resource", "response_mode"),
    *("request", "request_uri", "registration", "display", "ui_locales", "authorization_details", "dpop_jkt", "x"),
]
GRANTS = ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"]
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"
MACHINE = {
    "client_id": st.one_of(texts, st.sampled_from(["cli-proj", "web", "app-svc"])),
    "client_secret": st.one_of(texts, st.just(SECRET)),
    "client_assertion": jwts,
    "client_assertion_type": st.one_of(texts, st.just("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")),
    "code": anything,
    "code_verifier": st.one_of(texts, st.just(VERIFIER)),
    "redirect_uri": st.one_of(texts, st.just(LOOPBACK)),
    "refresh_token": anything,
    "device_code": anything,
    "scope": st.one_of(texts, st.just("openid shipments:read")),
    "resource": texts,
    "token": anything,
    "token_type_hint": texts,
    "assertion": jwts,
    "subject_token": jwts,
    "subject_token_type": st.one_of(texts, st.just(TOKEN_TYPE)),
    "actor_token": jwts,
    "actor_token_type": st.one_of(texts, st.just(TOKEN_TYPE)),
    "audience": texts,
    "login_hint": texts,
    "id_token_hint": jwts,
    "logout_hint": texts,
    "post_logout_redirect_uri": texts,
    "auth_req_id": texts,
    "binding_message": texts,
    "request": jwts,
    "access_token": anything,
    "authorization_details": anything,
    "claims": anything,
}
ALL_GRANTS = [*GRANTS, *(f"urn:ietf:params:oauth:grant-type:{name}" for name in ("token-exchange", "jwt-bearer"))]
known = st.sampled_from([*ALL_GRANTS, "urn:openid:params:grant-type:ciba"])
machine_forms = st.one_of(
    st.fixed_dictionaries({}, optional=MACHINE | {"grant_type": texts}),
    st.fixed_dictionaries({"grant_type": known}, optional=MACHINE),
)
header_bytes = st.binary(max_size=60).map(lambda raw: raw.translate(None, b"\r\n\x00"))


PAGES = {"authorization_endpoint", "end_session_endpoint"}


def endpoints(living: Any) -> list[str]:
    """The paths of every endpoint for programs that the metadata announces."""
    document = living.run(living.house.http.get("/.well-known/openid-configuration")).json()
    machine = (value for name, value in document.items() if name.endswith("_endpoint") and name not in PAGES)
    return sorted(urlsplit(value).path for value in machine)


def check_machine(answer: Response) -> None:
    """An OAuth error or a success, never cached (RFC 6749 section 5.2)."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400 and answer.content:
        body = answer.json()
        assert isinstance(body["error"], str)
        assert body["error"] != "server_error"
        assert answer.headers["cache-control"] == "no-store"


def check_page(answer: Response) -> None:
    """A page, or a redirect to a place of ours or of the client."""
    assert answer.status_code < 500, answer.text
    location = answer.headers.get("location")
    if location is not None:
        ours = location.startswith("/") and not location.startswith("//")
        assert ours or location.startswith(f"{LOOPBACK}?"), location
        assert "\r" not in location
        assert "\n" not in location


requests_for_authorization = st.dictionaries(
    st.sampled_from(PARAMETERS), st.one_of(anything, st.none()), max_size=5
).map(lambda changes: {name: value for name, value in (AUTHORIZATION | changes).items() if value is not None})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_authorization_request_of_a_stranger(living: Any, method: str) -> None:
    async def send(query: str) -> Response:
        if method == "GET":
            return await living.house.http.get(f"/authorize?{query}")
        return await living.house.http.post("/authorize", content=query, headers=FORM)

    @FIRE
    @given(parameters=requests_for_authorization, again=st.lists(st.sampled_from(PARAMETERS), max_size=1))
    def near(parameters: dict[str, str], again: list[str]) -> None:
        check_page(living.run(send(urlencode([*parameters.items(), *((name, "again") for name in again)]))))

    @FIRE
    @given(raw=st.binary(max_size=80))
    def far(raw: bytes) -> None:
        check_page(living.run(send(quote_from_bytes(raw, safe="%&=+;?/"))))

    near()
    far()


def test_authorization_request_of_a_stranger_when_somebody_is_signed_in(living: Any) -> None:
    browser = browsing(living.house)
    person = living.run(browser.__aenter__())
    living.run(person.sign_in("clara"))

    @FIRE
    @given(parameters=requests_for_authorization)
    def near(parameters: dict[str, str]) -> None:
        check_page(living.run(person.http.get("/authorize", params=parameters)))

    near()
    living.run(browser.__aexit__(None, None, None))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_logout_request_of_a_stranger(living: Any, method: str) -> None:
    names = ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"]
    wishes = st.dictionaries(st.sampled_from(names), st.one_of(anything, st.sampled_from(["cli-proj", LOOPBACK])))

    @FIRE
    @given(parameters=wishes)
    def near(parameters: dict[str, str]) -> None:
        if method == "GET":
            answer = living.run(living.house.http.get(f"/logout?{urlencode(parameters)}"))
        else:
            answer = living.run(living.house.http.post("/logout", content=urlencode(parameters), headers=FORM))
        check_page(answer)

    near()


def test_form_of_a_stranger_at_every_machine_endpoint(living: Any) -> None:
    paths = endpoints(living)

    @settings(FIRE, max_examples=150)
    @given(
        path=st.sampled_from(paths),
        form=machine_forms,
        client=st.sampled_from(["", "", "web", "simulator", "app-svc"]),
        proof=st.one_of(st.none(), jwts),
    )
    def near(path: str, form: dict[str, str], client: str, proof: str | None) -> None:
        more = living.house.basic(client) if client else {}
        if proof is not None:
            more["dpop"] = proof.encode("ascii", "ignore").decode()
        check_machine(living.run(living.house.http.post(path, content=urlencode(form), headers=FORM | more)))

    @FIRE
    @given(
        path=st.sampled_from(paths),
        body=st.binary(max_size=80),
        kind=st.sampled_from([FORM["content-type"], "application/json"]),
    )
    def far(path: str, body: bytes, kind: str) -> None:
        answer = living.run(living.house.http.post(path, content=body, headers={"content-type": kind}))
        check_machine(answer)

    near()
    far()


def test_json_of_a_stranger_at_every_machine_endpoint(living: Any) -> None:
    paths = endpoints(living)
    names = st.sampled_from(["redirect_uris", "client_name", "jwks", "jwks_uri", "grant_types", "scope", "sub_id", "x"])

    @FIRE
    @given(path=st.sampled_from(paths), body=st.one_of(st.dictionaries(names, values, max_size=5), values))
    def near(path: str, body: Any) -> None:
        headers = {"content-type": "application/json"}
        check_machine(living.run(living.house.http.post(path, content=json.dumps(body), headers=headers)))

    near()


METADATA = {
    "redirect_uris": st.one_of(values, st.lists(texts, max_size=3), st.just(["https://a.example/cb"])),
    "token_endpoint_auth_method": st.one_of(values, st.sampled_from(["none", "private_key_jwt", "tls_client_auth"])),
    "grant_types": st.one_of(values, st.lists(st.sampled_from(ALL_GRANTS), max_size=3)),
    "jwks": st.one_of(values, st.fixed_dictionaries({"keys": st.lists(headers | claims | values, max_size=2)})),
    "scope": st.one_of(values, texts),
    "client_name": st.one_of(values, texts),
    "default_max_age": values,
    "jwks_uri": st.one_of(values, texts, st.just("https://a.example/jwks")),
    "logo_uri": st.one_of(values, texts, st.just("https://a.example/logo")),
    "sector_identifier_uri": st.one_of(values, texts),
    "backchannel_logout_uri": st.one_of(values, texts),
    "post_logout_redirect_uris": st.one_of(values, st.lists(texts, max_size=2)),
    "software_statement": st.one_of(values, jwts),
    "subject_type": st.one_of(values, st.sampled_from(["public", "pairwise"])),
    "authorization_details_types": st.one_of(values, st.lists(texts, max_size=2)),
}
DEEP = [
    b"[" * 20_000,
    b'{"a":' * 10_000,
    b'{"client_name":' + b"[" * 20_000,
    b'{"sub_id":' + b"[" * 20_000,
    b'"\\ud800"',
    b'{"client_name":"\\u0000"}',
    b'{"client_name":"\xff"}',
    b'{"sub_id":{"format":"email","email":"\xff"}}',
]


@pytest.mark.parametrize("living", [{"registration": "open"}], indirect=True)
def test_registration_of_a_stranger_rfc7591_3_2_2(living: Any) -> None:
    as_json = {"content-type": "application/json"}

    def register(body: bytes | str) -> Response:
        answer: Response = living.run(living.house.http.post("/client_registration", content=body, headers=as_json))
        check_machine(answer)
        return answer

    @settings(FIRE, max_examples=100)
    @given(said=st.fixed_dictionaries({}, optional=METADATA))
    def near(said: dict[str, Any]) -> None:
        answer = register(json.dumps(said))
        if answer.status_code == 201:
            # What it is from then on can ask for authorization without anything breaking.
            asked = AUTHORIZATION | {"client_id": answer.json()["client_id"], "redirect_uri": "https://a.example/cb"}
            assert living.run(living.house.http.get(f"/authorize?{urlencode(asked)}")).status_code < 500

    @FIRE
    @given(body=st.one_of(json_texts.map(str.encode), st.binary(max_size=60), st.sampled_from(DEEP)))
    def far(body: bytes) -> None:
        assert register(body).status_code in {400, 413, 429}

    near()
    far()


def test_global_revocation_by_a_stranger_with_the_right_token(living: Any) -> None:
    tokens = living.run(living.house.tokens("clara", scope="openid global_token_revocation"))
    subjects = st.fixed_dictionaries(
        {"format": st.sampled_from(["iss_sub", "opaque", "email", "x"])},
        optional={name: st.one_of(values, texts) for name in ("iss", "sub", "id", "email")},
    )
    bodies = st.one_of(subjects.map(lambda subject: json.dumps({"sub_id": subject}).encode()), st.sampled_from(DEEP))
    bearer = {"authorization": f"Bearer {tokens['access_token']}", "content-type": "application/json"}

    @FIRE
    @given(body=bodies)
    def near(body: bytes) -> None:
        answer = living.run(living.house.http.post("/global-token-revocation", content=body, headers=bearer))
        check_machine(answer)

    near()


def test_authorization_header_of_a_stranger(living: Any) -> None:
    paths = endpoints(living)
    basic = st.binary(max_size=40).map(lambda raw: b"Basic " + base64.b64encode(raw))
    schemes = st.sampled_from([b"Basic ", b"basic ", b"Bearer ", b"DPoP ", b"", b"Basic"])
    odd = st.builds(lambda scheme, rest: scheme + rest, schemes, header_bytes)
    tokens = st.builds(lambda scheme, token: scheme + token.encode("ascii", "ignore"), schemes, jwts)

    @settings(FIRE, max_examples=150)
    @given(path=st.sampled_from(paths), header=st.one_of(basic, odd, tokens))
    def near(path: str, header: bytes) -> None:
        form = urlencode({"grant_type": "client_credentials", "token": "x"})
        headers = [(b"authorization", header), (b"content-type", FORM["content-type"].encode())]
        answer = living.run(living.house.http.post(path, content=form, headers=headers))
        check_machine(answer)
        assert answer.status_code >= 400

    near()


def test_token_of_ours_with_one_character_changed_is_no_token(living: Any) -> None:
    """What comes back is a JWT of ours or nothing; a changed one never opens anything (RFC 9068 section 4)."""
    tokens = living.run(living.house.tokens("clara"))

    @FIRE
    @given(data=st.data(), kind=st.sampled_from(["access_token", "id_token"]))
    def near(data: st.DataObject, kind: str) -> None:
        token = tokens[kind]
        place = data.draw(st.integers(0, len(token) - 2))  # the last character has bits that mean nothing
        other = data.draw(st.characters(codec="ascii", categories=["L", "N", "P"]).filter(lambda c: c != token[place]))
        changed = f"{token[:place]}{other}{token[place + 1 :]}"
        answer = living.run(living.house.post("/introspect", {"token": changed}, client="app-svc"))
        assert answer.json() == {"active": False}
        bearer = {"authorization": f"Bearer {changed}"}
        assert living.run(living.house.http.get("/userinfo", headers=bearer)).status_code in {400, 401}
        parameters = urlencode(AUTHORIZATION | {"id_token_hint": changed})
        check_page(living.run(living.house.http.get(f"/authorize?{parameters}")))

    near()


def test_token_whose_header_is_endlessly_nested_is_no_token(living: Any) -> None:
    deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * 11_400).decode().rstrip("=") + ".e30.AAAA"
    check_page(living.run(living.house.http.get(f"/authorize?{urlencode(AUTHORIZATION | {'id_token_hint': deep})}")))
    for path, form in (("/introspect", {"token": deep}), ("/revoke", {"token": deep})):
        check_machine(living.run(living.house.post(path, form, client="app-svc")))
    bearer = {"authorization": f"Bearer {deep}"}
    assert living.run(living.house.http.get("/userinfo", headers=bearer)).status_code == 401
