"""The same promise on a real PostgreSQL, where transactions really run at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import House, settings_in
from lib_one.testing.databases import fresh_database, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def settings(folder: Path, postgres: Any) -> Iterator[Settings]:
    with fresh_database("postgresql", folder, lambda: postgres) as url:
        yield settings_in(folder, database_url=url)


async def test_of_fifty_parallel_uses_of_a_proof_exactly_one_wins_rfc9449_11_1(house: House, prover: Any) -> None:
    headers = house.basic("simulator") | prover.headers()
    form = {"grant_type": "client_credentials"}
    answers = await asyncio.gather(*(house.http.post("/token", data=form, headers=headers) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert {answer.json()["error"] for answer in answers if answer.status_code == 400} == {"invalid_dpop_proof"}
