"""Nonces required of everybody (RFC 9449 sections 8 and 9)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.grants import Confirmation
from auth_svc.proofs.nonces import Nonces
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from lib_one.testing import Clock


@pytest.fixture
def settings(folder: Path) -> Settings:
    return settings_in(folder, dpop_nonce="always")


async def test_nonce_is_asked_for_at_the_token_endpoint_rfc9449_8(house: House, prover: Any) -> None:
    form = {"grant_type": "client_credentials"}
    basic = house.basic("simulator")
    answer = await house.http.post("/token", data=form, headers=basic | prover.headers())
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    nonce = answer.headers["dpop-nonce"]
    answer = await house.http.post("/token", data=form, headers=basic | prover.headers(nonce=nonce))
    assert answer.status_code == 200, answer.text
    # Who shows no key needs no nonce.
    assert (await house.http.post("/token", data=form, headers=basic)).json()["token_type"] == "Bearer"


async def test_nonce_is_asked_for_at_a_resource_rfc9449_9(house: House, prover: Any) -> None:
    confirmation = Confirmation(jkt=prover.jkt)
    token = (await house.tokens("clara", scope="openid", confirmation=confirmation))["access_token"]
    answer = await house.http.get("/userinfo", headers=prover.shows(token))
    assert (answer.status_code, answer.json()["error"]) == (401, "use_dpop_nonce")
    assert answer.headers["www-authenticate"].startswith("DPoP ")
    nonce = answer.headers["dpop-nonce"]
    answer = await house.http.get("/userinfo", headers=prover.shows(token, nonce=nonce))
    assert answer.status_code == 200, answer.text
    house.clock.advance(timedelta(seconds=60))
    answer = await house.http.get("/userinfo", headers=prover.shows(token, nonce=nonce))
    assert answer.status_code == 200, answer.text
    assert answer.headers["dpop-nonce"] != nonce


def test_processes_agree_on_nonces_and_strangers_cannot_make_them_rfc9449_8(clock: Clock) -> None:
    one, other, stranger = Nonces(b"key"), Nonces(b"key"), Nonces(b"another key")
    nonce = one.current(clock())
    assert other.accepts(nonce, clock())
    assert not stranger.accepts(nonce, clock())
    assert other.accepts(nonce, clock() + timedelta(seconds=60))
    assert not other.accepts(nonce, clock() + timedelta(seconds=120))
    assert not other.accepts("\udc80", clock())
