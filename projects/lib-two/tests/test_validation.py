"""RFC 9068 section 4: what a resource server checks of an access token, and that nothing else passes for one."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OctKey

from lib_one.testing import Clock
from lib_two.errors import InvalidToken
from lib_two.testing import FakeIssuer
from lib_two.validation import MAX_LENGTH, Claims, parse, validate

NOW = Clock()()


@pytest.fixture(scope="module", name="fixed")
def fixed_issuer() -> Iterator[FakeIssuer]:
    """One for all: its clock stands still and no test here changes it."""
    with FakeIssuer(now=Clock()) as issuer:
        yield issuer


def check(issuer: FakeIssuer, token: str, *, audience: str | None = None) -> Claims:
    key = issuer.signer.keys[issuer.signer.newest]
    return validate(token, key=key, issuer=issuer.url, audience=audience or issuer.audience, now=NOW)


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def resigned(issuer: FakeIssuer, header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes) -> str:
    """A token whose signature is right over any two parts, however odd."""
    key = issuer.signer.keys[issuer.signer.newest]
    signing_input = f"{part(header)}.{part(payload)}"
    signature = jws.JWSRegistry.algorithms["ES256"].sign(signing_input.encode(), key)
    return f"{signing_input}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_valid_token_gives_its_claims(fixed: FakeIssuer) -> None:
    token = fixed.mint(
        "user-1",
        "shipments:read shipments:scan",
        sid="session-1",
        grant_id="grant-1",
        roles=["driver"],
        amr=["pwd"],
        auth_time=int(NOW.timestamp()) - 60,
    )
    claims = check(fixed, token)
    assert claims.subject == "user-1"
    assert claims.client_id == "cli-proj"
    assert claims.scopes == {"shipments:read", "shipments:scan"}
    assert (claims.session_id, claims.grant_id) == ("session-1", "grant-1")
    assert claims.roles == {"driver"}
    assert claims.amr == ("pwd",)
    assert claims.issued_at == NOW
    assert claims.expires_at == NOW + timedelta(minutes=10)
    assert claims.auth_time == NOW - timedelta(minutes=1)
    assert claims.key_id == fixed.signer.newest
    assert claims.raw["auth_time"] == int(NOW.timestamp()) - 60


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "Ed25519"])
def test_each_allowed_algorithm_is_verified(algorithm: str) -> None:
    with FakeIssuer(now=Clock(), algorithm=algorithm) as issuer:
        token = issuer.mint("user-1", "shipments:read")
        assert check(issuer, token).subject == "user-1"
        head, body, signature = token.split(".")
        flipped = ("A" if signature[5] != "A" else "B").join((signature[:5], signature[6:]))
        with pytest.raises(InvalidToken):
            check(issuer, f"{head}.{body}.{flipped}")


@pytest.mark.parametrize("type_", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_both_spellings_of_the_type_are_taken(fixed: FakeIssuer, type_: str) -> None:
    assert check(fixed, fixed.signer.sign(fixed.claims("u", ""), type_=type_)).subject == "u"


@pytest.mark.parametrize("type_", ["JWT", "jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "at+jwt ", ""])
def test_other_types_of_jwt_are_refused_although_all_claims_fit(fixed: FakeIssuer, type_: str) -> None:
    with pytest.raises(InvalidToken):
        check(fixed, fixed.signer.sign(fixed.claims("u", ""), type_=type_))


def test_id_token_is_no_access_token(fixed: FakeIssuer) -> None:
    with pytest.raises(InvalidToken):
        check(fixed, fixed.mint_id_token("cli-proj"), audience="cli-proj")


def test_refresh_token_is_no_access_token(fixed: FakeIssuer) -> None:
    with pytest.raises(InvalidToken):
        check(fixed, fixed.refresh_token("cli-proj", "shipments:read"))


def test_unsigned_token_is_refused(fixed: FakeIssuer) -> None:
    header = {"typ": "at+jwt", "alg": "none", "kid": fixed.signer.newest}
    claims = part(fixed.claims("u", ""))
    for token in (f"{part(header)}.{claims}.", f"{part(header)}.{claims}.AA"):
        with pytest.raises(InvalidToken):
            check(fixed, token)


def test_hmac_with_the_public_key_as_secret_is_refused(fixed: FakeIssuer) -> None:
    """RFC 8725 section 2.1: the algorithm is ours to choose, not the token's."""
    public = json.dumps(fixed.signer.jwks()["keys"][0])
    header = {"typ": "at+jwt", "alg": "HS256", "kid": fixed.signer.newest}
    token = jws.serialize_compact(header, json.dumps(fixed.claims("u", "")), OctKey.import_key(public.encode()))
    with pytest.raises(InvalidToken):
        check(fixed, token)


def test_key_made_for_another_algorithm_is_not_used(fixed: FakeIssuer) -> None:
    header = {"typ": "at+jwt", "alg": "RS256", "kid": fixed.signer.newest}
    with pytest.raises(InvalidToken):
        check(fixed, resigned(fixed, header, fixed.claims("u", "")))


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"])
def test_required_claim_cannot_be_missing(fixed: FakeIssuer, name: str) -> None:
    """RFC 9068 section 2.2."""
    with pytest.raises(InvalidToken):
        check(fixed, fixed.mint("u", "s", **{name: None}))


@pytest.mark.parametrize("variant", ["{}/", "{}#", "HTTP{}", "{} ", "https://elsewhere.example"])
def test_issuer_must_be_identical(fixed: FakeIssuer, variant: str) -> None:
    with pytest.raises(InvalidToken):
        check(fixed, fixed.mint("u", "s", iss=variant.format(fixed.url)))


@pytest.mark.parametrize("aud", ["http://127.0.0.1:8401/", "http://127.0.0.1", [], ["x"], "", {}, 1, [1], None])
def test_token_for_another_audience_is_refused(fixed: FakeIssuer, aud: object) -> None:
    with pytest.raises(InvalidToken):
        check(fixed, fixed.mint("u", "s", aud=aud))


def test_one_of_several_audiences_is_enough(fixed: FakeIssuer) -> None:
    claims = check(fixed, fixed.mint("u", "s", aud=[fixed.url, fixed.audience]))
    assert claims.audience == (fixed.url, fixed.audience)


@pytest.mark.parametrize(("seconds", "good"), [(1, True), (-4, True), (-5, False), (-3600, False)])
def test_expiry_has_a_leeway_of_5_seconds(fixed: FakeIssuer, seconds: int, good: bool) -> None:
    token = fixed.mint("u", "s", iat=int(NOW.timestamp()) - 7200, exp=int(NOW.timestamp()) + seconds)
    if good:
        assert check(fixed, token)
    else:
        with pytest.raises(InvalidToken, match="expired"):
            check(fixed, token)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iat", int(NOW.timestamp()) + 60),
        ("nbf", int(NOW.timestamp()) + 60),
        ("exp", True),
        ("exp", "4102444800"),
        ("exp", 1e300),
        ("exp", -1),
        ("iat", [1]),
        ("sub", 7),
        ("sub", ""),
        ("sub", "x" * 256),
        ("sub", "a\x00b"),
        ("sub", "\ud800"),
        ("client_id", ["cli-proj"]),
        ("jti", {"a": 1}),
        ("sid", 5),
        ("grant_id", ""),
        ("scope", ["shipments:read"]),
        ("scope", "a\nb"),
        ("roles", [1]),
        ("amr", 1),
        ("auth_time", "yesterday"),
    ],
)
def test_odd_claims_are_refused(fixed: FakeIssuer, name: str, value: object) -> None:
    payload = {**fixed.claims("u", "s"), name: value}
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fixed.signer.newest}
    with pytest.raises(InvalidToken):
        check(fixed, resigned(fixed, header, payload))


@pytest.mark.parametrize("extra", [{"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"crit": []}])
def test_critical_headers_are_not_ignored(fixed: FakeIssuer, extra: dict[str, object]) -> None:
    """RFC 7515 section 4.1.11."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fixed.signer.newest, **extra}
    with pytest.raises(InvalidToken):
        check(fixed, resigned(fixed, header, fixed.claims("u", "s")))


def test_unknown_header_is_ignored_and_an_embedded_key_is_not_used(fixed: FakeIssuer) -> None:
    with FakeIssuer(now=Clock()) as forger:
        forged = forger.signer.sign(
            fixed.claims("u", "s"), type_="at+jwt", jwk=forger.signer.jwks()["keys"][0], jku=f"{forger.url}/jwks"
        )
    with pytest.raises(InvalidToken):
        check(fixed, forged)
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fixed.signer.newest, "x-new": 1}
    assert check(fixed, resigned(fixed, header, fixed.claims("u", "s")))


@pytest.mark.parametrize("where", ["header", "payload"])
def test_name_that_comes_twice_is_refused(fixed: FakeIssuer, where: str) -> None:
    """RFC 8725 section 2.4: two readers could see two values."""
    header: dict[str, Any] | bytes = {"typ": "at+jwt", "alg": "ES256", "kid": fixed.signer.newest}
    payload: dict[str, Any] | bytes = fixed.claims("u", "s")
    if where == "header":
        header = json.dumps(header).encode()[:-1] + b', "alg": "ES256"}'
    else:
        payload = json.dumps(payload).encode()[:-1] + b', "sub": "root"}'
    with pytest.raises(InvalidToken):
        check(fixed, resigned(fixed, header, payload))


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"1", b'{"exp": NaN}', b"{" * 5000, b"[" * 5000, b"\xff", b'{"exp": ' + b"9" * 5000 + b"}"],
)
def test_odd_json_is_refused(fixed: FakeIssuer, payload: bytes) -> None:
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fixed.signer.newest}
    with pytest.raises(InvalidToken):
        check(fixed, resigned(fixed, header, payload))
    with pytest.raises(InvalidToken):
        parse(f"{part(payload)}.e30.AA")


def test_one_token_has_one_spelling(fixed: FakeIssuer) -> None:
    """RFC 7515 section 2: base64url without padding, line breaks or other characters."""
    head, body, signature = fixed.mint("u", "s").split(".")
    for spelling in (f"{signature}==", f"{signature[:9]}\n{signature[9:]}", f"{signature}!", f" {signature}"):
        with pytest.raises(InvalidToken):
            check(fixed, f"{head}.{body}.{spelling}")


def test_size_is_bounded(fixed: FakeIssuer) -> None:
    with pytest.raises(InvalidToken):
        parse("a" * (MAX_LENGTH + 1))
    with pytest.raises(InvalidToken):
        check(fixed, fixed.mint("u", "s", padding="x" * MAX_LENGTH))


HOSTILE = st.one_of(
    st.text(max_size=200),
    st.lists(st.text(alphabet="abcAB01-_=+/. \x00é", max_size=60), min_size=1, max_size=5).map(".".join),
    st.tuples(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80)).map(
        lambda parts: ".".join(urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts)
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "sid", "roles", "amr"])
HEADERS = st.sampled_from(["typ", "alg", "kid", "crit", "b64", "jwk", "x5c", "cty"])


@given(token=HOSTILE)
@example("..")
@example("a.b.c")
@example("\ud800.a.b")
def test_whatever_comes_in_only_an_invalid_token_comes_out(fixed: FakeIssuer, token: str) -> None:
    with pytest.raises(InvalidToken):
        check(fixed, token)


@given(changes=st.dictionaries(NAMES, JSON, min_size=1), headers=st.dictionaries(HEADERS, JSON, max_size=2))
def test_signed_oddities_are_refused_or_read(
    fixed: FakeIssuer, changes: dict[str, Any], headers: dict[str, Any]
) -> None:
    header = {"typ": "at+jwt", "alg": "ES256", "kid": fixed.signer.newest, **headers}
    try:
        claims = check(fixed, resigned(fixed, header, {**fixed.claims("u", "s"), **changes}))
    except InvalidToken:
        return
    assert claims.subject.isprintable()
    json.dumps([claims.subject, claims.client_id, claims.token_id, sorted(claims.scopes)]).encode()
