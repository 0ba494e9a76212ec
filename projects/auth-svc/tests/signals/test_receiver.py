"""Signals of another issuer are received (RFC 8935), and end what somebody has here."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from auth_svc.settings import Settings
from auth_svc.testing import House, running_house, settings_in
from lib_one.http import Response
from lib_one.testing import Clock
from lib_one.testing.databases import fresh_database

UPSTREAM = "https://login.example"
JWKS = f"{UPSTREAM}/jwks"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
KEY = ECKey.generate_key("P-256", {"kid": "1"})
OTHER_KEY = ECKey.generate_key("P-256", {"kid": "1"})
CLARA = {"format": "iss_sub", "iss": UPSTREAM, "sub": "their-clara"}


@pytest.fixture
def settings(folder: Path) -> Settings:
    """With an upstream that has names of its own for people."""
    return _listening(folder)


def _listening(folder: Path, **changes: Any) -> Settings:
    upstream = {
        "issuer": UPSTREAM,
        "jwks_uri": JWKS,
        "audience": "us",
        "subjects": {"their-clara": "clara", "their-ghost": "nobody"},
    }
    (folder / "upstreams.json").write_text(json.dumps([upstream]))
    return settings_in(folder, upstream_issuers_file=folder / "upstreams.json", **changes)


def signal(house: House, *, key: ECKey = KEY, kind: str = "secevent+jwt", **claims: Any) -> bytes:
    """A token of the upstream; None leaves a claim out."""
    usual = {
        "iss": UPSTREAM,
        "jti": "1",
        "iat": int(house.clock().timestamp()),
        "aud": "us",
        "txn": "1",
        "sub_id": CLARA,
        "events": {f"{CAEP}session-revoked": {"event_timestamp": 1}},
    }
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    token = jws.serialize_compact({"alg": "ES256", "kid": "1", "typ": kind}, json.dumps(said).encode(), key)
    return token.encode()


async def push(house: House, body: bytes, *, media: str = "application/secevent+jwt") -> Response:
    house.web[JWKS] = Response(200, json={"keys": [KEY.as_dict(private=False)]})
    return await house.http.post("/ssf/receive", content=body, headers={"content-type": media})


@pytest.mark.parametrize("name", ["session-revoked", "credential-change", "account-disabled"])
async def test_what_happened_there_ends_sign_ins_and_tokens_here(house: House, name: str) -> None:
    mine, others = await house.tokens("clara"), await house.tokens("erin")
    base = RISC if name.startswith("account") else CAEP
    complex_ = {"format": "complex", "user": CLARA, "session": {"format": "opaque", "id": "x"}}
    answer = await push(house, signal(house, events={f"{base}{name}": {}}, sub_id=complex_, aud=["them", "us"]))
    assert (answer.status_code, answer.content) == (202, b"")
    assert not await house.active(mine["access_token"])
    assert (await house.refresh(mine["refresh_token"])).status_code == 400
    assert await house.active(others["access_token"])
    (told,) = await house.events("SignalReceived")
    assert (told.data.issuer, told.data.event_type) == (UPSTREAM, f"{base}{name}")  # type: ignore[attr-defined]
    assert await house.events("UserDisabled") == []


async def test_nobody_here_other_events_and_other_names_are_taken_without_effect(house: House) -> None:
    mine = await house.tokens("clara")
    for number, claims in enumerate(
        (
            {"sub_id": CLARA | {"sub": "their-ghost"}},
            {"sub_id": CLARA | {"sub": "their-stranger"}},
            {"sub_id": CLARA | {"sub": "clara"}},
            {"sub_id": CLARA | {"iss": "https://other.example"}},
            {"sub_id": {"format": "email", "email": "clara@example.com"}},
            {"sub_id": {"format": "opaque", "id": "their-clara"}},
            {"sub_id": {"format": "new", "id": "their-clara"}},
            {"sub_id": None},
            {"events": {f"{CAEP}device-compliance-change": {}}},
            {"events": {"https://schemas.openid.net/secevent/ssf/event-type/verification": {"state": "x"}}},
        )
    ):
        answer = await push(house, signal(house, jti=f"n{number}", **claims))
        assert answer.status_code == 202, claims
    assert await house.active(mine["access_token"])


async def test_an_issuer_that_shares_our_names_may_use_addresses_rfc9493_3_2_2(folder: Path, clock: Clock) -> None:
    settings = _listening(folder)
    (upstream,) = json.loads((folder / "upstreams.json").read_text())
    (folder / "upstreams.json").write_text(json.dumps([upstream | {"subjects": None}]))
    async with running_house(settings, clock) as house:
        mine, others = await house.tokens("clara"), await house.tokens("erin")
        await push(house, signal(house, sub_id={"format": "email", "email": "Clara@Example.com"}))
        await push(house, signal(house, jti="2", sub_id=CLARA | {"sub": "nobody\0"}))
        assert not await house.active(mine["access_token"])
        assert await house.active(others["access_token"])
        await push(house, signal(house, jti="3", sub_id=CLARA | {"sub": "ERIN"}))
        assert not await house.active(others["access_token"])


async def test_what_is_not_to_be_believed_is_400_with_a_reason_2_3_and_2_4(house: House) -> None:
    mine = await house.tokens("clara")
    now = int(house.clock().timestamp())
    for code, body in (
        ("invalid_request", b""),
        ("invalid_request", b"x.y.z"),
        ("invalid_request", b"\xff"),
        ("invalid_request", signal(house, kind="JWT")),
        ("invalid_request", signal(house, kind="logout+jwt")),
        ("invalid_request", signal(house, jti=None)),
        ("invalid_request", signal(house, events={})),
        ("invalid_request", signal(house, events={f"{CAEP}session-revoked": {}, f"{CAEP}credential-change": {}})),
        ("invalid_request", signal(house, events=[])),
        ("invalid_request", signal(house, iat=now + 61)),
        ("invalid_request", signal(house, iat=now - 31 * 86_400)),
        ("invalid_issuer", signal(house, iss="https://other.example")),
        ("invalid_audience", signal(house, aud="them")),
        ("invalid_key", signal(house, key=OTHER_KEY)),
    ):
        answer = await push(house, body)
        assert (answer.status_code, answer.json()["err"]) == (400, code), body
        assert answer.json()["description"]
        assert answer.headers["content-language"] == "en"
    answer = await push(house, signal(house), media="application/jwt")
    assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")
    assert (await push(house, b"x" * 70_000)).status_code == 413
    assert await house.active(mine["access_token"])


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_of_fifty_copies_one_has_an_effect_2(
    folder: Path, clock: Clock, database: str, request: pytest.FixtureRequest
) -> None:
    with fresh_database(database, folder, lambda: request.getfixturevalue("postgres")) as url:
        async with running_house(_listening(folder, database_url=url), clock) as house:
            body = signal(house)
            answers = await asyncio.gather(*(push(house, body) for _ in range(50)))
            assert {answer.status_code for answer in answers} == {202}
            assert len(await house.events("SignalReceived")) == 1
            assert len([request for request in house.web.requests if request.url.path == "/jwks"]) == 1


async def test_a_file_that_cannot_be_is_refused_at_start(folder: Path, clock: Clock) -> None:
    settings = _listening(folder)
    listed = json.loads((folder / "upstreams.json").read_text())
    for wrong in (
        {},
        [{"issuer": UPSTREAM}],
        [listed[0] | {"jwks_uri": "ftp://x.example"}],
        [listed[0], listed[0]],
        [listed[0] | {"typo": 1}],
        [listed[0] | {"poll": {"endpoint_url": "https://x.example"}}],
    ):
        (folder / "upstreams.json").write_text(json.dumps(wrong))
        with pytest.raises(Exception, match="trusted issuers"):
            async with running_house(settings, clock):
                pass
