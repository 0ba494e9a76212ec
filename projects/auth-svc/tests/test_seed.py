"""The seed file: applied once for each content, changed where it changed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from auth_svc.clients import RegistrationError
from auth_svc.seed import SeedError
from auth_svc.testing import SECRET, SEED, House, running_house, settings_in
from auth_svc.users import AccountError, find_by_username


async def test_second_start_changes_nothing(house: House, folder: Path) -> None:
    before = len(await house.events("UserRegistered"))
    assert not await house.app.seeding.apply(folder / "seed.json")
    assert len(await house.events("UserRegistered")) == before


async def test_changed_secret_and_password_are_updated(house: House, folder: Path) -> None:
    changed: Any = json.loads(json.dumps(SEED))
    changed["clients"][1]["secret"] = "a-new-secret-for-tests-0123456789"
    changed["users"][0] |= {"password": "a new password", "roles": ["clerk"]}
    (folder / "seed.json").write_text(json.dumps(changed))
    assert await house.app.seeding.apply(folder / "seed.json")
    house.app.clients.forget("simulator")
    form = {"grant_type": "client_credentials"}
    headers = house.basic("simulator", "a-new-secret-for-tests-0123456789")
    assert (await house.http.post("/token", data=form, headers=headers)).status_code == 200
    assert (await house.post("/token", form, client="simulator")).status_code == 401
    erin = await house.app.passwords.authenticate("erin", "a new password")
    assert erin is not None
    assert erin.roles == ("clerk",)
    assert await house.app.passwords.authenticate("erin", house.password) is None


@pytest.mark.parametrize("change", [{"password": "a new password"}, {"roles": ["employee"]}, {"roles": ["operator"]}])
async def test_changed_password_or_role_ends_what_its_owner_holds(
    house: House, person: Any, folder: Path, change: dict[str, Any]
) -> None:
    held, elsewhere = await house.tokens("clara"), await house.tokens("dan")
    await person.sign_in("clara")
    house.clock.advance(timedelta(seconds=2))
    await apply(house, folder, "users", 1, change)
    assert not await house.active(held["access_token"])
    assert (await house.refresh(held["refresh_token"])).json()["error"] == "invalid_grant"
    assert "Clara" not in (await person.go("/")).text
    assert await house.active(elsewhere["access_token"])
    (revoked,) = await house.events("SubjectRevoked")
    assert revoked.data.aggregate() == house.claims(held["access_token"])["sub"]


async def test_changed_name_ends_nothing(house: House, folder: Path) -> None:
    held = await house.tokens("clara")
    await apply(house, folder, "users", 1, {"name": "Clara of the Docks", "email": "docks@example.com"})
    assert await house.active(held["access_token"])
    assert not await house.events("SubjectRevoked")


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        ({"secret": "a-new-secret-for-tests-0123456789"}, True),
        ({"scope": "shipments:read"}, True),
        ({"scope": "shipments:scan shipments:write shipments:read email"}, False),
        ({"client_name": "Robot"}, False),
    ],
)
async def test_changed_secret_or_lost_scope_ends_what_the_client_holds(
    house: House, folder: Path, change: dict[str, str], *, ends: bool
) -> None:
    held = (await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")).json()
    house.clock.advance(timedelta(seconds=2))
    await apply(house, folder, "clients", 1, change)
    assert await house.active(held["access_token"]) is not ends
    assert len(await house.events("ClientRevoked")) == ends


async def apply(house: House, folder: Path, kind: str, index: int, change: dict[str, Any]) -> None:
    """Change one entry of the seed file, and apply it."""
    seed: Any = json.loads(json.dumps(SEED))
    seed[kind][index] |= change
    (folder / "seed.json").write_text(json.dumps(seed))
    assert await house.app.seeding.apply(folder / "seed.json")


async def test_what_an_operator_changed_stays_after_a_restart(house: House, settings: Any, clock: Any) -> None:
    def close(connection: Any) -> None:
        clara = find_by_username(connection, "clara")
        assert clara is not None
        house.app.accounts.disable(connection, clara.user_id)

    await house.app.ledger.database.work(close)
    async with running_house(settings, clock) as again:
        assert await again.app.passwords.authenticate("clara", again.password) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", SeedError),
        ("[]", SeedError),
        ('{"people": []}', SeedError),
        ('{"users": [{"username": "x"}]}', SeedError),
        ('{"clients": [{"client_id": "a.b", "client_name": "x"}]}', RegistrationError),
        ('{"clients": [{"client_id": "a", "client_name": "x", "secret": "short"}]}', RegistrationError),
        (
            '{"users": [{"username": "x", "name": "x", "email": "", "roles": ["king"], "password": "12345678"}]}',
            AccountError,
        ),
    ],
)
async def test_unfit_seed_is_refused_whole(house: House, folder: Path, text: str, error: type[Exception]) -> None:
    (folder / "seed.json").write_text(text)
    with pytest.raises(error):
        await house.app.seeding.apply(folder / "seed.json")
    assert house.app.clients.find("a") is None


async def test_missing_seed_is_said_by_its_path(house: House, tmp_path: Path) -> None:
    with pytest.raises(SeedError, match=r"nowhere\.json"):
        await house.app.seeding.apply(tmp_path / "nowhere.json")


async def test_installation_without_a_seed_knows_the_applications_of_the_house(tmp_path: Path, clock: Any) -> None:
    async with running_house(settings_in(tmp_path, seed_file=None), clock) as house:
        assert house.app.clients.find("cli-proj") is not None
        assert house.app.clients.find("app-svc") is None
    assert SECRET not in (tmp_path / "secret.key").read_text()
