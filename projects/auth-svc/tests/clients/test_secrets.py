"""Secrets of clients with an end and with overlap (RFC 7591 section 3.2.1, OAuth 2.1 section 2.4.1)."""

from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from auth_svc.__main__ import application
from auth_svc.clients import NewClient, TooManySecretsError, find
from auth_svc.settings import Settings
from auth_svc.testing import House
from lib_one.event import new_id

GRANT = {"grant_type": "client_credentials"}


async def rotate(house: House, **how: Any) -> str:
    usual = {"overlap": timedelta(days=7)}
    return await house.app.ledger.database.work(
        lambda connection: house.app.client_secrets.rotate(connection, "simulator", **(usual | how))
    )


async def works(house: House, secret: str) -> bool:
    house.clock.advance(timedelta(seconds=1))
    answer = await house.http.post("/token", data=GRANT, headers=house.basic("simulator", secret))
    assert answer.status_code in {200, 401}
    return bool(answer.status_code == 200)


async def test_both_secrets_are_good_until_the_overlap_is_over(house: House) -> None:
    assert await works(house, house.secret)
    new = await rotate(house)
    assert await works(house, new)
    assert await works(house, house.secret)
    house.clock.advance(timedelta(days=7))
    assert await works(house, new)
    assert not await works(house, house.secret)


async def test_without_overlap_the_one_before_ends_at_once(house: House) -> None:
    assert await works(house, house.secret)
    new = await rotate(house, overlap=timedelta())
    assert await works(house, new)
    assert not await works(house, house.secret)


async def test_a_secret_with_a_life_ends_though_it_was_proven_before(house: House) -> None:
    new = await rotate(house, life=timedelta(days=30))
    assert await works(house, new)
    house.clock.advance(timedelta(days=30))
    assert not await works(house, new)


async def test_an_overlap_never_prolongs_a_secret(house: House) -> None:
    short = await rotate(house, life=timedelta(days=1))
    await rotate(house)
    house.clock.advance(timedelta(days=2))
    assert not await works(house, short)


async def test_a_removed_secret_is_worthless_at_once_and_others_stay(house: House) -> None:
    new = await rotate(house)
    assert await works(house, new)
    client = house.app.ledger.database.lookup(lambda connection: find(connection, "simulator"))
    assert client is not None
    first, second = client.secrets

    def remove(secret_id: str, client_id: str = "simulator") -> Any:
        return house.app.ledger.database.work(
            lambda connection: house.app.client_secrets.remove(connection, client_id, secret_id)
        )

    assert not await remove(first.secret_id, client_id="web")
    assert not await remove(new_id())
    assert await remove(second.secret_id)
    assert not await works(house, new)
    assert await works(house, house.secret)


async def test_there_are_never_many(house: House) -> None:
    for _ in range(3):
        await rotate(house)
    with pytest.raises(TooManySecretsError):
        await rotate(house)
    house.clock.advance(timedelta(days=8))
    await rotate(house)


async def test_a_change_is_told_and_says_no_secret(house: House) -> None:
    made = await rotate(house)
    (added,) = await house.events("ClientSecretAdded")
    assert added.data.aggregate() == "simulator"
    assert made not in repr(house.bus.published)


async def test_the_seed_leaves_a_client_in_the_middle_of_a_change_alone(house: House) -> None:
    new = await rotate(house)
    described = NewClient(
        client_id="simulator",
        client_name="Simulator",
        secret=house.secret,
        grant_types=("client_credentials",),
        scope="shipments:read shipments:write shipments:scan",
    )
    assert not await house.app.ledger.database.work(
        lambda connection: house.app.registration.ensure(connection, described)
    )
    assert await works(house, new)


async def test_expired_secrets_are_forgotten(house: House) -> None:
    await rotate(house)
    house.clock.advance(timedelta(days=8))
    await house.app.housekeeping.sweep()
    client = house.app.ledger.database.lookup(lambda connection: find(connection, "simulator"))
    assert client is not None
    assert len(client.secrets) == 1


def test_an_operator_lists_rotates_and_removes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database_url", "secret_key_file"):
        monkeypatch.setenv(f"AUTH_SVC_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(application, ["clients", "secrets", *arguments])

    rotated = run("rotate", "simulator", "--overlap", "0")
    assert rotated.exit_code == 0, rotated.output
    assert len(rotated.stdout.strip()) == 43
    listed = run("list", "simulator").stdout.splitlines()
    assert len(listed) == 2
    assert run("remove", "simulator", listed[1].split()[0]).exit_code == 0
    assert run("remove", "simulator", listed[1].split()[0]).exit_code == 1
    for client_id in ("nobody", "cli-proj"):
        refused = run("rotate", client_id)
        assert refused.exit_code == 1
        assert client_id in refused.stderr
