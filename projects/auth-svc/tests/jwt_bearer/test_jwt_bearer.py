"""The JWT bearer grant (RFC 7523 section 2.1), on SQLite and on PostgreSQL."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from auth_svc.clients import NewClient, RegistrationError
from auth_svc.errors import InvalidGrant
from auth_svc.jwt_bearer import read_trusted_issuers
from auth_svc.jwt_bearer.flow import read_assertion
from auth_svc.keys import TrustedIssuersError
from auth_svc.settings import Settings
from auth_svc.testing import ISSUER, SECRET, House, settings_in
from lib_one.event import new_id, utc_now

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
THEM = "https://login.example"
KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})
OLDER = ECKey.generate_key("P-256", parameters={"kid": "older"})
SOMEBODYS = ECKey.generate_key("P-256", parameters={"kid": "one"})
RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
TRUSTED = [
    {
        "issuer": THEM,
        "jwks": KeySet([OLDER, KEY, RSA]).as_dict(private=False),
        "clients": ["intranet"],
        "scope": "openid offline_access shipments:read",
        "subjects": {"c-17": "clara", "d-18": "dan", "nobody": "nobody", "odd": "clara\x00"},
    },
    {
        "issuer": "https://names.example",
        "jwks": KeySet([KEY]).as_dict(private=False),
        "clients": ["intranet"],
        "scope": "shipments:read",
    },
]


both = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def settings(folder: Path, database_url: str) -> Settings:
    file = folder / "trusted.json"
    file.write_text(json.dumps(TRUSTED))
    return settings_in(folder, database_url=database_url, trusted_issuers_file=file)


@pytest.fixture
async def intranet(house: House) -> str:
    await register(house, "intranet")
    return "intranet"


async def register(house: House, client_id: str, **changes: Any) -> None:
    usual: dict[str, Any] = {"grant_types": (GRANT,), "scope": "shipments:read shipments:write", "secret": SECRET}
    new = NewClient(client_id=client_id, client_name=client_id, **(usual | changes))
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


def assertion(house: House, *, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A good assertion about Clara, with changes; None leaves a claim out."""
    now = int(house.clock().timestamp())
    usual = {"iss": THEM, "sub": "c-17", "aud": house.issuer, "iat": now, "exp": now + 60, "jti": new_id()}
    claims = {name: value for name, value in (usual | changes).items() if value is not None}
    algorithm = "ES256" if isinstance(key, ECKey) else "PS256"
    named = {"kid": key.kid} if key.kid else {}
    signed: str = jwt.encode(
        {"alg": algorithm} | named | (header or {}), claims, key, algorithms=["ES256", "PS256", "RS256"]
    )
    return signed


async def show(house: House, token: str, *, client: str = "intranet", **more: str) -> Any:
    return await house.post("/token", {"grant_type": GRANT, "assertion": token} | more, client=client)


def refused(answer: Any, code: str = "invalid_grant") -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, code), answer.text
    return True


async def test_assertion_gives_a_token_about_its_person_and_nothing_lasting_rfc7523_2_1(
    house: House, intranet: str
) -> None:
    answer = await show(house, assertion(house))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["scope"] == "shipments:read"
    assert "refresh_token" not in body
    assert "id_token" not in body
    claims = house.claims(body["access_token"])
    clara = house.claims((await house.tokens("clara"))["access_token"])["sub"]
    assert (claims["sub"], claims["client_id"], claims["roles"]) == (clara, "intranet", ["clerk"])
    assert "auth_time" not in claims  # an assertion is no sign-in
    assert await house.active(body["access_token"])


async def test_sign_in_that_the_issuer_tells_of_is_passed_on(house: House, intranet: str) -> None:
    signed_in = int(house.clock().timestamp()) - 100
    body = (await show(house, assertion(house, auth_time=signed_in))).json()
    assert house.claims(body["access_token"])["auth_time"] == signed_in


async def test_each_key_of_the_issuer_is_good_rfc7517_5(house: House, intranet: str) -> None:
    for key in (OLDER, RSA):
        assert (await show(house, assertion(house, key=key))).status_code == 200
    unnamed = ECKey.import_key({name: value for name, value in KEY.as_dict(private=True).items() if name != "kid"})
    assert (await show(house, assertion(house, key=unnamed))).status_code == 200


@both
async def test_of_50_parallel_redemptions_exactly_one_wins_rfc7523_3(house: House, intranet: str) -> None:
    token = assertion(house)
    answers = await asyncio.gather(*(show(house, token) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert all(refused(answer) for answer in answers if answer.status_code != 200)


async def test_refused_request_does_not_use_the_assertion_up(house: House, intranet: str) -> None:
    token = assertion(house)
    assert refused(await show(house, token, scope="shipments:write"), "invalid_scope")
    assert (await show(house, token)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "clara"},
        {"sub": "nobody"},
        {"sub": "odd"},
        {"aud": None},
        {"aud": "https://elsewhere.example"},
        {"aud": f"{ISSUER}/token"},
        {"aud": [ISSUER]},
        {"aud": [ISSUER, "https://elsewhere.example"]},
        {"exp": None},
        {"exp": 1},
        {"exp": 10**30},
        {"exp": "tomorrow"},
        {"iat": None},
        {"iat": -1},
        {"iat": 10**12},
        {"nbf": 10**12},
        {"auth_time": 10**12},
        {"jti": None},
        {"jti": ""},
    ],
)
async def test_assertion_that_says_something_else_is_invalid_grant_rfc7523_3(
    house: House, intranet: str, changes: dict[str, Any]
) -> None:
    assert refused(await show(house, assertion(house, **changes)))


async def test_assertion_lives_from_its_issue_to_its_end(house: House, intranet: str) -> None:
    now = int(house.clock().timestamp())
    assert refused(await show(house, assertion(house, exp=now + 3600)))
    assert refused(await show(house, assertion(house, nbf=now + 60)))
    assert (await show(house, assertion(house, nbf=now + 5, iat=now + 5))).status_code == 200
    late = assertion(house)
    house.clock.advance(timedelta(seconds=60))
    assert refused(await show(house, late))


async def test_signature_type_and_algorithm_are_checked_rfc8725_3(house: House, intranet: str) -> None:
    assert refused(await show(house, assertion(house, key=SOMEBODYS)))
    for header in ({"kid": "other"}, {"typ": "at+jwt"}, {"typ": "logout+jwt"}, {"typ": "dpop+jwt"}):
        assert refused(await show(house, assertion(house, header=header)))
    assert refused(await show(house, assertion(house, key=RSA, header={"alg": "RS256"})))
    good = assertion(house, header={"typ": "authorization-grant+jwt"})
    head, payload, signature = good.split(".")
    assert refused(await show(house, f"{head}.{payload}.{signature[:-4]}AAAA"))
    assert refused(await show(house, f"eyJhbGciOiJub25lIn0.{payload}."))
    assert refused(await show(house, "nonsense"))
    assert (await show(house, good)).status_code == 200


async def test_token_of_this_server_is_no_assertion(house: House, intranet: str) -> None:
    tokens = await house.tokens("clara")
    assert refused(await show(house, tokens["access_token"]))
    assert refused(await show(house, tokens["id_token"]))


async def test_only_clients_that_the_operator_named_may_show_it(house: House, intranet: str) -> None:
    await register(house, "extranet")
    token = assertion(house)
    assert refused(await show(house, token, client="extranet"))
    assert refused(await show(house, token, client="web"), "unauthorized_client")
    assert (await show(house, token)).status_code == 200
    with pytest.raises(RegistrationError):
        await register(house, "phone", secret=None, token_endpoint_auth_method="none")


async def test_without_a_table_of_subjects_the_name_is_the_username(house: House, intranet: str) -> None:
    answer = await show(house, assertion(house, iss="https://names.example", sub="clara"))
    assert answer.status_code == 200, answer.text


async def test_person_who_was_signed_out_everywhere_needs_a_newer_assertion(house: House, intranet: str) -> None:
    old = assertion(house)
    subject = house.claims((await house.tokens("clara"))["access_token"])["sub"]
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, subject))
    assert refused(await show(house, old))
    house.clock.advance(timedelta(seconds=2))
    token = (await show(house, assertion(house))).json()["access_token"]
    assert await house.active(token)
    await house.app.ledger.database.work(lambda c: house.app.accounts.disable(c, subject))
    assert not await house.active(token)
    assert refused(await show(house, assertion(house)))


async def test_assertion_made_after_a_sign_out_everywhere_and_shown_within_its_second_gives_a_good_token(
    house: House, intranet: str, waited: list[float]
) -> None:
    """The issuer's clock may be ahead, and `iat` has whole seconds (RFC 7519 section 2)."""
    subject = house.claims((await house.tokens("clara"))["access_token"])["sub"]
    await house.app.ledger.database.work(lambda c: house.app.revocation.revoke_subject(c, subject))
    newer = assertion(house, iat=int(house.clock().timestamp()) + 1)
    token = (await show(house, newer)).json()["access_token"]
    assert len(waited) == 1
    assert await house.active(token)
    assert refused(await show(house, newer)), "it was used, once"


async def test_missing_assertion_is_invalid_request(house: House, intranet: str) -> None:
    assert refused(await house.post("/token", {"grant_type": GRANT}, client=intranet), "invalid_request")


async def test_used_assertions_are_forgotten_after_their_end(house: House, intranet: str) -> None:
    from sqlalchemy import func, select

    from auth_svc.jwt_bearer.store import used_grant_assertions

    count = select(func.count()).select_from(used_grant_assertions)
    await show(house, assertion(house))
    assert house.app.ledger.database.lookup(lambda connection: connection.execute(count).scalar_one()) == 1
    house.clock.advance(timedelta(minutes=2))
    await house.app.housekeeping.sweep()
    assert house.app.ledger.database.lookup(lambda connection: connection.execute(count).scalar_one()) == 0


# --- the file of trusted issuers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '[{"issuer": "https://a.example"}]',
        json.dumps([TRUSTED[1] | {"unknown": 1}]),
        json.dumps([TRUSTED[1], TRUSTED[1]]),
        json.dumps([TRUSTED[1] | {"jwks": {"keys": []}}]),
        json.dumps([TRUSTED[1] | {"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}]),
        json.dumps([TRUSTED[1] | {"jwks": KeySet([KEY]).as_dict(private=True)}]),
    ],
)
def test_file_that_does_not_have_the_shape_refuses_to_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "trusted.json"
    file.write_text(content)
    with pytest.raises(TrustedIssuersError, match=r"trusted\.json"):
        read_trusted_issuers(file)
    with pytest.raises(TrustedIssuersError, match="cannot read"):
        read_trusted_issuers(tmp_path / "nothing.json")


def test_nobody_is_trusted_without_a_file() -> None:
    assert read_trusted_issuers(None) == {}
    with pytest.raises(InvalidGrant):
        read_assertion("e30.e30.e30", {}, audience=ISSUER, now=utc_now())
