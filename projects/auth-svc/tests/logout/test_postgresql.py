"""Sign-out on PostgreSQL, where two transactions really run at once."""

import asyncio

import pytest

from auth_svc.testing import House, PageForm, Person
from lib_one.testing import eventually

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


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
