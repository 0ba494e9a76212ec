"""The same promise on a real PostgreSQL, where transactions really run at once."""

import asyncio
from typing import Any

import pytest

from auth_svc.testing import House

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


async def test_of_fifty_parallel_uses_of_a_proof_exactly_one_wins_rfc9449_11_1(house: House, prover: Any) -> None:
    headers = house.basic("simulator") | prover.headers()
    form = {"grant_type": "client_credentials"}
    answers = await asyncio.gather(*(house.http.post("/token", data=form, headers=headers) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_dpop_proof"}
