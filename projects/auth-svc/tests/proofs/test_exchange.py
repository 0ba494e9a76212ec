"""Bound tokens in token exchange: what was bound to a key never becomes good in whoever's hands it is."""

from typing import Any

import pytest

from auth_svc.clients import NewClient
from auth_svc.grants import Confirmation
from auth_svc.testing import SECRET, House

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(autouse=True)
async def gateway(house: House) -> None:
    new = NewClient(
        client_id="gateway",
        client_name="Gateway",
        secret=SECRET,
        grant_types=(GRANT, "client_credentials"),
        scope="shipments:read",
        resource=house.resource,
    )
    await house.app.ledger.database.work(lambda connection: house.app.registration.add(connection, new))


async def exchange(house: House, token: str, headers: dict[str, str], **more: str) -> Any:
    form = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN} | more
    return await house.http.post("/token", data=form, headers=house.basic("gateway") | headers)


@pytest.mark.parametrize("confirmation", [Confirmation(jkt="a key"), Confirmation(x5t_s256="a certificate")])
async def test_bound_token_gives_one_that_is_bound_to_the_clients_own_key_rfc8693_2_2_2(
    house: House, prover: Any, confirmation: Confirmation
) -> None:
    token = (await house.tokens("clara", confirmation=confirmation))["access_token"]
    answer = await exchange(house, token, {})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = await exchange(house, token, prover.headers())
    assert answer.json()["token_type"] == "DPoP"
    assert house.claims(answer.json()["access_token"])["cnf"] == {"jkt": prover.jkt}


async def test_bound_token_of_an_actor_wants_a_proof_as_well_rfc8693_2_2_2(house: House, prover: Any) -> None:
    form = {"grant_type": "client_credentials"}
    sent = await house.http.post("/token", data=form, headers=house.basic("gateway") | prover.headers())
    actor = {"actor_token": sent.json()["access_token"], "actor_token_type": ACCESS_TOKEN}
    subject = (await house.tokens("clara"))["access_token"]
    assert (await exchange(house, subject, {}, **actor)).status_code == 400
    assert (await exchange(house, subject, prover.headers(), **actor)).status_code == 200
