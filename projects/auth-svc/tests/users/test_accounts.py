"""Accounts: what may be, roles, and what is told of them."""

from functools import partial
from typing import Any

import pytest

from auth_svc.testing import House
from auth_svc.users import AccountError, Profile, find, find_by_username, hash_password

GOOD: dict[str, Any] = {
    "username": "fred",
    "name": "Fred",
    "email": "fred@example.com",
    "roles": ("driver",),
    "password": "long enough",
}


async def test_new_person_is_told_without_secrets_or_addresses(house: House) -> None:
    profile = Profile(**GOOD)
    hashed = hash_password(profile.username, profile.password)
    user_id = await house.app.ledger.database.work(lambda c: house.app.accounts.add(c, profile, password_hash=hashed))
    (event,) = [event for event in await house.events("UserRegistered") if event.data.aggregate() == user_id]
    assert event.data.roles == ("driver",)
    published = repr(house.bus.published)
    assert "fred@example.com" not in published
    assert "long enough" not in published
    assert hashed not in published


@pytest.mark.parametrize(
    "changes",
    [
        {"username": ""},
        {"username": "x" * 65},
        {"username": " fred"},
        {"username": "fr\x00ed"},
        {"username": "fr\ned"},
        {"name": " "},
        {"name": "a\x00"},
        {"roles": ("king",)},
    ],
)
async def test_unfit_account_is_refused(house: House, changes: dict[str, Any]) -> None:
    profile = Profile(**(GOOD | changes))
    for verb in (house.app.accounts.add, house.app.accounts.ensure):
        with pytest.raises(AccountError):
            await house.app.ledger.database.work(partial(verb, profile=profile, password_hash="-"))


@pytest.mark.parametrize("password", ["short", "x" * 257])
def test_unfit_password_is_refused_by_the_name_of_its_owner(password: str) -> None:
    with pytest.raises(AccountError, match="fred"):
        hash_password("fred", password)


async def test_user_name_is_taken_in_every_case(house: House) -> None:
    profile = Profile(**(GOOD | {"username": "CLARA"}))
    hashed = hash_password(profile.username, profile.password)
    with pytest.raises(AccountError, match="taken"):
        await house.app.ledger.database.work(lambda c: house.app.accounts.add(c, profile, password_hash=hashed))


async def test_new_password_takes_the_place_of_the_old(house: House) -> None:
    clara = house.app.ledger.database.lookup(lambda connection: find_by_username(connection, "clara"))
    assert clara is not None
    hashed = hash_password("clara", "another password")
    await house.app.ledger.database.work(
        lambda connection: house.app.accounts.set_password(connection, clara, password_hash=hashed)
    )
    assert await house.app.passwords.authenticate("clara", house.password) is None
    found = await house.app.passwords.authenticate("clara", "another password")
    assert found is not None
    assert found.roles == clara.roles


async def test_disabling_twice_tells_once_and_enabling_opens_again(house: House) -> None:
    clara = house.app.ledger.database.lookup(lambda connection: find_by_username(connection, "clara"))
    assert clara is not None
    for expected in (True, False):
        done = await house.app.ledger.database.work(lambda c: house.app.accounts.disable(c, clara.user_id))
        assert done is expected
    assert len(await house.events("UserDisabled")) == 1
    for expected in (True, False):
        done = await house.app.ledger.database.work(lambda c: house.app.accounts.enable(c, clara.user_id))
        assert done is expected
    assert len(await house.events("UserEnabled")) == 1


def test_hash_of_an_unchanged_password_is_kept() -> None:
    hashed = hash_password("fred", "long enough")
    assert hash_password("fred", "long enough", known_hash=hashed) == hashed
    assert hash_password("fred", "another one", known_hash=hashed) != hashed


async def test_a_deleted_account_leaves_nothing_of_the_person_but_an_id_that_stays_taken(house: House) -> None:
    clara = await house.app.ledger.database.read(lambda c: find_by_username(c, "clara"))
    assert clara is not None
    await house.app.ledger.database.work(lambda c: house.app.accounts.delete(c, clara))
    left = await house.app.ledger.database.read(lambda c: find(c, clara.user_id))
    assert left is not None
    assert (left.name, left.email, left.roles, left.disabled) == ("", "", (), True)
    assert "clara" not in left.username
    assert await house.app.ledger.database.read(lambda c: find_by_username(c, "clara")) is None
    (deleted,) = await house.events("UserDeleted")
    assert deleted.data.aggregate() == clara.user_id


async def test_nobody_can_take_the_name_that_a_deleted_account_gets(house: House) -> None:
    """Whoever knows a person's `sub` could else keep the account from being deleted."""

    async def deleted(username: str) -> str:
        person = await house.app.ledger.database.read(lambda c: find_by_username(c, username))
        assert person is not None
        await house.app.ledger.database.work(lambda c: house.app.accounts.delete(c, person))
        left = await house.app.ledger.database.read(lambda c: find(c, person.user_id))
        assert left is not None
        return left.username.removesuffix(person.user_id)

    prefix = await deleted("dan")
    clara = await house.app.ledger.database.read(lambda c: find_by_username(c, "clara"))
    assert clara is not None
    profile = Profile(**(GOOD | {"username": prefix + clara.user_id}))
    with pytest.raises(AccountError):
        await house.app.ledger.database.work(partial(house.app.accounts.add, profile=profile, password_hash="-"))
    assert await deleted("clara") == prefix
