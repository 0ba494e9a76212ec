"""Dynamic client registration (RFC 7591, OpenID Connect Registration)."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from joserfc import jwk
from pydantic import ValidationError
from typer.testing import CliRunner

from auth_svc.__main__ import application
from auth_svc.registration import add_invitation
from auth_svc.settings import Settings
from auth_svc.testing import LOOPBACK, House, settings_in

PATH = "/client_registration"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(
    [
        "client_name",
        "redirect_uris",
        "grant_types",
        "response_types",
        "scope",
        "token_endpoint_auth_method",
        "jwks",
        "jwks_uri",
        "contacts",
        "default_max_age",
        "subject_type",
        "application_type",
        "frontchannel_logout_uri",
        "post_logout_redirect_uris",
    ]
)


def must_be_refused(answer: Any, code: str = "invalid_client_metadata", status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, code), answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_all_that_is_registered_is_told_and_nothing_may_be_kept_rfc7591_3_2_1(
    registrant: Any, house: House
) -> None:
    answer = await registrant.register(contacts=["ops@reader.example"], software_id="4711", something_new=[1])
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["client_name"] == "Reading list"
    assert told["redirect_uris"] == ["https://reader.example/callback"]
    assert told["grant_types"] == ["authorization_code"]
    assert told["response_types"] == ["code"]
    assert told["contacts"] == ["ops@reader.example"]
    assert told["scope"] == "openid shipments:read"
    assert told["client_id_issued_at"] == int(house.clock().timestamp())
    assert "client_secret" not in told
    assert "something_new" not in told
    assert "profile" not in told
    registered = [event.data.aggregate() for event in await house.events("ClientRegistered")]
    assert registered.count(told["client_id"]) == 1


async def test_a_registered_public_client_gets_tokens(registrant: Any, person: Any) -> None:
    known = (await registrant.register(redirect_uris=["http://127.0.0.1/callback"])).json()
    assert known["application_type"] == "native"
    code = await person.code(client_id=known["client_id"], scope="openid shipments:read")
    answer = await person.redeem(code, client_id=known["client_id"])
    assert answer.status_code == 200, answer.text


async def test_a_confidential_client_gets_a_secret_that_works_rfc7591_3_2_1(
    registrant: Any, person: Any, house: House
) -> None:
    uri = "https://reader.example/callback"
    known = (await registrant.register(token_endpoint_auth_method=...)).json()
    assert known["token_endpoint_auth_method"] == "client_secret_basic"
    assert known["client_secret_expires_at"] == 0
    code = await person.code(client_id=known["client_id"], redirect_uri=uri, scope="openid")
    assert (await person.redeem(code, client_id=known["client_id"], redirect_uri=uri)).status_code == 401
    code = await person.code(client_id=known["client_id"], redirect_uri=uri, scope="openid")
    person.http.headers.update(house.basic(known["client_id"], known["client_secret"]))
    assert (await person.redeem(code, client_id=known["client_id"], redirect_uri=uri)).status_code == 200
    await house.events("ClientRegistered")
    assert known["client_secret"] not in repr(house.bus.published)
    assert known["registration_access_token"] not in repr(house.bus.published)


async def test_a_client_registers_its_keys_rfc7591_2(registrant: Any) -> None:
    key = jwk.ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)
    answer = await registrant.register(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key]})
    assert answer.status_code == 201, answer.text
    assert "client_secret" not in answer.json()


async def test_what_is_left_out_has_a_default_and_the_name_is_never_empty_rfc7591_2(registrant: Any) -> None:
    known = (await registrant.register(client_name=..., scope=None)).json()
    assert known["client_name"] == "reader.example"
    assert {"openid", "shipments:read", "offline_access"} <= set(known["scope"].split())


async def test_a_scope_that_there_is_not_is_left_out_rfc7591_2(registrant: Any) -> None:
    assert (await registrant.register(scope="openid nonsense")).json()["scope"] == "openid"
    must_be_refused(await registrant.register(scope="nonsense"))


@pytest.mark.parametrize(
    "uris",
    [
        ["http://reader.example/callback"],
        ["https://reader.example/callback#x"],
        ["https://*.example/"],
        ["javascript:alert(1)"],
        ["data:text/html,x"],
        ["https://reader.example/", "/relative"],
        [""],
        ["https://user:pass@reader.example/"],
    ],
)
async def test_unfit_redirect_uris_are_refused_by_their_own_code_rfc7591_3_2_2(
    registrant: Any, uris: list[str]
) -> None:
    must_be_refused(await registrant.register(redirect_uris=uris), "invalid_redirect_uri")


async def test_a_web_client_uses_https_and_a_native_one_need_not_oidc_registration_2(registrant: Any) -> None:
    must_be_refused(await registrant.register(application_type="web", redirect_uris=[LOOPBACK]), "invalid_redirect_uri")
    assert (await registrant.register(application_type="native", redirect_uris=[LOOPBACK])).status_code == 201


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ...},
        {"redirect_uris": []},
        {"redirect_uris": "https://reader.example/"},
        {"redirect_uris": ["https://reader.example/"] * 51},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"]},
        {"grant_types": ["implicit"]},
        {"grant_types": ["refresh_token"], "redirect_uris": ...},
        {"grant_types": []},
        {"response_types": ["token"]},
        {"response_types": []},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"jwks": {"keys": []}, "jwks_uri": "https://reader.example/jwks"},
        {"jwks_uri": "http://10.0.0.1/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"id_token_signed_response_alg": "none"},
        {"client_name": 7},
        {"client_name": "a\x00b"},
        {"client_name": "\u202eevil"},
        {"client_name": "x" * 2001},
        {"client_uri": "javascript:alert(1)"},
        {"logo_uri": "http://reader.example/logo.png"},
        {"policy_uri": "https://user@reader.example/"},
        {"initiate_login_uri": "nonsense"},
        {"subject_type": "pairwise", "redirect_uris": ["https://a.example/cb", "https://b.example/cb"]},
        {"subject_type": "other"},
        {"application_type": "other"},
        {"default_max_age": "soon"},
        {"frontchannel_logout_uri": "https://elsewhere.example/"},
    ],
)
async def test_unfit_metadata_are_refused_rfc7591_3_2_2(registrant: Any, changes: dict[str, Any], house: House) -> None:
    must_be_refused(await registrant.register(**changes))
    assert not [event for event in await house.events("ClientRegistered") if event.data.aggregate().startswith("dyn-")]


async def test_a_stranger_gives_itself_no_rights(registrant: Any, house: House) -> None:
    answer = await registrant.register(
        resource=house.resource, profile="oauth21", may_act="cli-proj", may_impersonate=True, refresh_grace=60
    )
    client = house.app.clients.find(answer.json()["client_id"])
    assert client is not None
    assert (client.resource, client.may_act, client.may_impersonate, client.refresh_grace) == (None, None, False, 0)


async def test_nobody_chooses_an_id_or_a_secret_rfc7591_3_2_1(registrant: Any) -> None:
    first = (await registrant.register(client_id="cli-proj", client_secret="s" * 43)).json()
    second = (await registrant.register()).json()
    assert first["client_id"] not in {"cli-proj", second["client_id"]}


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"a":NaN}', b'{"client_name":"\\ud800"}', b"\xff", b"[" * 50_000, b"{}"]
)
async def test_malformed_json_is_an_oauth_error_and_nothing_else_rfc7591_3_2_2(house: House, body: bytes) -> None:
    must_be_refused(await house.http.post(PATH, content=body))


async def test_too_large_a_body_is_not_read(house: House) -> None:
    must_be_refused(await house.http.post(PATH, content=b"x" * 70_000), "invalid_request", 413)


@examples(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(said=st.dictionaries(MEMBERS, ANYTHING, max_size=6))
async def test_no_metadata_make_it_stumble(registrant: Any, said: dict[str, Any]) -> None:
    registrant.house.clock.advance(timedelta(minutes=1))
    answer = await registrant.register(**said)
    assert answer.status_code in {201, 400}, answer.text


async def test_strangers_register_at_a_bounded_rate(registrant: Any, house: House) -> None:
    answers = [await registrant.register() for _ in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    house.clock.advance(timedelta(minutes=1))
    assert (await registrant.register()).status_code == 201


async def test_metadata_name_the_endpoint_when_it_is_there_rfc8414_2(house: House) -> None:
    document = (await house.http.get("/.well-known/oauth-authorization-server")).json()
    assert document["registration_endpoint"] == f"{house.issuer}{PATH}"


@pytest.mark.parametrize("settings", ["closed"], indirect=True)
async def test_closed_is_closed_and_not_in_the_metadata(registrant: Any, house: House) -> None:
    must_be_refused(await registrant.register(), "access_denied", 403)
    assert "registration_endpoint" not in (await house.http.get("/.well-known/openid-configuration")).json()


async def invite(house: House, uses: int = 1) -> str:
    token, now = f"invitation-{uses}", house.clock()
    await house.app.ledger.database.work(
        lambda connection: add_invitation(connection, token, uses=uses, now=now, expires_at=now + timedelta(days=1))
    )
    return token


@pytest.mark.parametrize("settings", ["token"], indirect=True)
async def test_an_initial_access_token_is_good_as_often_as_it_says_rfc7591_3(registrant: Any, house: House) -> None:
    refused = await registrant.register()
    must_be_refused(refused, "invalid_token", 401)
    assert refused.headers["www-authenticate"].startswith("Bearer ")
    must_be_refused(await registrant.register("wrong"), "invalid_token", 401)
    token = await invite(house, uses=2)
    assert (await registrant.register(token, redirect_uris=[""])).json()["error"] == "invalid_redirect_uri"
    assert (await registrant.register(token)).status_code == 201
    assert (await registrant.register(token)).status_code == 201
    must_be_refused(await registrant.register(token), "invalid_token", 401)


@pytest.mark.parametrize("settings", ["token"], indirect=True)
async def test_an_initial_access_token_ends(registrant: Any, house: House) -> None:
    token = await invite(house)
    house.clock.advance(timedelta(days=1))
    must_be_refused(await registrant.register(token), "invalid_token", 401)


@pytest.mark.parametrize("settings", ["token"], indirect=True)
async def test_of_fifty_parallel_uses_exactly_as_many_win_as_it_has(registrant: Any, house: House) -> None:
    token = await invite(house, uses=3)
    answers = await asyncio.gather(*(registrant.register(token) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [401] * 47


def test_a_public_issuer_is_not_open_unless_told_so(tmp_path: Path) -> None:
    public = {"issuer": "https://login.example", "registration": "open"}
    with pytest.raises(ValidationError, match="ALLOW_OPEN_REGISTRATION"):
        settings_in(tmp_path, **public)
    assert settings_in(tmp_path, **public, allow_open_registration=True).registration == "open"
    assert settings_in(tmp_path).registration == "closed"


def test_an_operator_invites(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "secret_key_file"):
        monkeypatch.setenv(f"AUTH_SVC_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(application, ["clients", "invitations", *arguments])

    added = run("add", "--uses", "3", "--days", "2")
    assert added.exit_code == 0, added.output
    assert len(added.stdout.strip()) == 43
    listed = run("list").stdout
    assert "3 left" in listed
    assert added.stdout.strip() not in listed
    assert run("remove", listed.split()[0]).exit_code == 0
    assert run("remove", listed.split()[0]).exit_code == 1
