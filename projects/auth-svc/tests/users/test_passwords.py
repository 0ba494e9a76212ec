"""Passwords: one answer for every failure, a bound on length, and a queue that says no."""

import asyncio
import subprocess
import sys
import threading
from typing import Any

import argon2
import pytest

from auth_svc.errors import TemporarilyUnavailable
from auth_svc.testing import House
from auth_svc.users import Passwords, passwords
from auth_svc.users.passwords import argon2id


async def test_right_password_gives_the_person_whatever_the_case_of_the_name(house: House) -> None:
    for name in ("clara", "CLARA", "Clara"):
        user = await house.app.passwords.authenticate(name, house.password)
        assert user is not None
        assert user.username == "clara"
        assert user.roles == ("clerk",)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("clara", "wrong password"),
        ("clara", ""),
        ("nobody", "correct horse battery"),
        ("", ""),
        ("c" * 1000, "correct horse battery"),
        ("clara", "correct horse battery "),
        ("clara", "x" * 1_000_000),
        ("clara\x00", "correct horse battery"),
        ("ud\udc80", "correct horse battery"),
        ("clara", "\udc80"),
    ],
)
async def test_everything_else_gives_nobody(house: House, username: str, password: str) -> None:
    assert await house.app.passwords.authenticate(username, password) is None


async def test_closed_account_gives_nobody(house: House) -> None:
    user = await house.app.passwords.authenticate("clara", house.password)
    assert user is not None
    await house.app.ledger.database.work(lambda connection: house.app.accounts.disable(connection, user.user_id))
    assert await house.app.passwords.authenticate("clara", house.password) is None


class Counting:
    """A hasher that counts what it is asked, and may be held."""

    def __init__(self) -> None:
        self.inner = passwords.argon2id()
        self.asked: list[tuple[str, str]] = []
        self.go = threading.Event()
        self.go.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def verify(self, hashed: str, password: str) -> bool:
        self.asked.append((hashed, password))
        assert self.go.wait(5)
        return self.inner.verify(hashed, password)


async def test_unknown_user_costs_the_same_work_as_a_known_one(house: House) -> None:
    hasher: Any = Counting()
    passwords = Passwords(house.app.ledger.database, workers=1, queue=1, hasher=hasher)
    for username, password in (("clara", "wrong"), ("nobody", "wrong"), ("clara", "x" * 10_000)):
        assert await passwords.authenticate(username, password) is None
    passwords.close()
    parameters = {str(argon2.extract_parameters(hashed)) for hashed, _ in hasher.asked}
    assert len(hasher.asked) == 3
    assert len(parameters) == 1
    assert max(len(password) for _, password in hasher.asked) <= 256


async def test_full_queue_says_so_at_once_and_recovers(house: House) -> None:
    hasher: Any = Counting()
    hasher.go.clear()
    passwords = Passwords(house.app.ledger.database, workers=1, queue=1, hasher=hasher)
    waiting = [asyncio.create_task(passwords.authenticate("clara", house.password)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TemporarilyUnavailable):
        await passwords.authenticate("clara", house.password)
    hasher.go.set()
    assert None not in await asyncio.gather(*waiting)
    assert await passwords.authenticate("clara", house.password) is not None
    passwords.close()


def test_parameters_are_what_owasp_recommends_or_above() -> None:
    hasher = argon2id()
    assert hasher.type is argon2.Type.ID
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) >= (19 * 1024, 2, 1)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_checks_is_given_back() -> None:
    """A process of its own: the memory of this one says nothing."""
    program = """
import asyncio, pathlib
from auth_svc.users.passwords import Passwords

class Nobody:
    async def read(self, fn):
        return None

def resident():
    return int(next(l for l in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmRSS" in l).split()[1])

async def main():
    passwords = Passwords(Nobody(), workers=2, queue=20)
    before = resident()
    for _ in range(4):
        await asyncio.gather(*(passwords.authenticate("nobody", "wrong") for _ in range(4)))
    passwords.close()
    print(resident() - before)

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 * 1024, "KiB kept after sixteen checks of 19 MiB"
