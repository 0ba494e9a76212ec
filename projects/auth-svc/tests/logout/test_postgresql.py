"""Sign-out on PostgreSQL, where two transactions really run at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auth_svc.settings import Settings
from auth_svc.testing import House, PageForm, Person, settings_in
from lib_one.testing import eventually
from lib_one.testing.databases import fresh_database, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def settings(folder: Path, postgres: Any) -> Iterator[Settings]:
    with fresh_database("postgresql", folder, lambda: postgres) as url:
        yield settings_in(folder, database_url=url)


async def test_of_fifty_parallel_sign_outs_one_tells_the_client(person: Person, house: House, id_token: str) -> None:
    await person.go("/signout")
    form = PageForm(person.page.text)
    answers = await asyncio.gather(*(person.http.post(form.action, data=form.fields) for _ in range(50)))
    # Whoever comes after the end finds the form out of date: it belonged to that sign-in.
    assert {answer.status_code for answer in answers} <= {303, 403}
    await eventually(lambda: _told(house))
    assert len(await house.events("SessionEnded")) == len(await house.events("DeliveryMade")) == 1
    assert len(house.web.requests) == 1


async def _told(house: House) -> bool:
    return bool(await house.events("DeliveryMade"))
