"""Shared signals on PostgreSQL, where two transactions really run at once and a NUL cannot even be looked for."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auth_svc import users
from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from lib_one.http import Response
from lib_one.testing import eventually

type Receiver = Any
"""See conftest."""


pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def settings(folder: Path, database_url: str) -> Settings:
    return settings_in(folder, database_url=database_url, signal_poll_wait=300)


async def test_of_parallel_creations_one_makes_the_stream(house: House, intranet: Receiver) -> None:
    headers = {"authorization": f"Bearer {await intranet.token()}"}
    answers = await asyncio.gather(*(house.http.post("/ssf/streams", json={}, headers=headers) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


async def test_what_happens_to_many_at_once_is_told_of_each_and_taken_once(
    house: House, intranet: Receiver, partner: Receiver
) -> None:
    await intranet.stream()
    await partner.stream(push_to="https://partner.example/events")
    house.web["https://partner.example/events"] = Response(202)
    people = await house.app.ledger.database.read(users.everyone)
    waiting = asyncio.create_task(intranet.poll(returnImmediately=False))

    def end(user_id: str) -> Callable[[Any], None]:
        return lambda connection: house.app.revocation.revoke_subject(connection, user_id)

    await asyncio.gather(*(house.app.ledger.database.work(end(user.user_id)) for user in people))
    assert (await waiting)["sets"]
    told = await intranet.waiting()
    assert sorted(claims["sub_id"]["sub"] for claims in told) == sorted(user.user_id for user in people)
    await eventually(lambda: len(house.web.requests) == len(people))
    assert await intranet.poll(ack=[claims["jti"] for claims in told]) == {"sets": {}, "moreAvailable": False}


async def test_a_nul_is_no_trouble(house: House, intranet: Receiver) -> None:
    await intranet.stream(description="a\0b", events_requested=["urn:\0"])
    which = {"stream_id": intranet.stream_id}
    assert (await intranet.call("GET", "streams", params={"stream_id": "x"})).status_code == 404
    assert (await intranet.call("PATCH", "streams", json={"stream_id": "\0"})).status_code == 404
    body = which | {"subject": {"format": "iss_sub", "iss": house.issuer, "sub": "\0" * 43}}
    assert (await intranet.call("POST", "subjects:remove", json=body)).status_code == 204
    assert (await intranet.call("POST", "verify", json=which | {"state": "\0"})).status_code == 204
    (told,) = await intranet.waiting()
    assert [about["state"] for about in told["events"].values()] == ["\0"]
    assert (await intranet.poll(ack=["\0"], setErrs={"\0": {"err": "\0"}}))["sets"]
    paused = which | {"status": "paused", "reason": "\0"}
    assert (await intranet.call("POST", "status", json=paused)).status_code == 400
