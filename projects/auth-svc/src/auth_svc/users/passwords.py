"""Passwords: Argon2id in a pool of few threads with a short queue, so that guessing cannot hang the server."""

import asyncio
import base64
import ctypes
import secrets
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import argon2

from auth_svc.errors import TemporarilyUnavailable
from auth_svc.users import store
from lib_one.sql import Database

LONGEST_PASSWORD = 256
"""Characters. Longer ones are refused without being looked at: hashing has no bound of its own."""
SHORTEST_PASSWORD = 8
"""Characters (NIST SP 800-63B section 3.1.1.2)."""
LONGEST_USERNAME = 64
"""Characters."""


def argon2id() -> argon2.PasswordHasher:
    """The hasher: Argon2id with the first parameters that OWASP recommends (19 MiB, two passes, one lane)."""
    return argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=argon2.Type.ID)


class Passwords:
    """Checks passwords, a few at a time."""

    def __init__(
        self, database: Database, *, workers: int, queue: int, hasher: argon2.PasswordHasher | None = None
    ) -> None:
        self._database = database
        _give_memory_back()
        self._hasher = hasher or argon2id()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="password")
        self.limit = workers + queue
        """Checks that may be under way or wait at a time; one more is refused."""
        self.under_way = 0
        """Checks that are under way or wait."""
        self._nobody = _hash_of_nobody(self._hasher)

    async def authenticate(self, username: str, password: str) -> store.User | None:
        """Return the person if the password fits and the account is open.

        The answer for an unknown user, a closed account and a wrong password is the same, and takes as long.

        Raises:
            TemporarilyUnavailable: too many are waiting already.
        """
        with self._place():
            return await self._in_thread(self._check, *await self._known(username), password)

    async def hash(self, hashing: Callable[[str, str], str], username: str, password: str) -> str:
        """Have `hashing` hash a new password in one of the threads; what it raises comes out.

        Raises:
            TemporarilyUnavailable: too many are waiting already.
        """
        with self._place():
            return await self._in_thread(hashing, username, password)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places in the queue, from before the first thing that waits."""
        if self.under_way >= self.limit:
            raise TemporarilyUnavailable("password queue is full")
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def _in_thread[*Args, T](self, work: Callable[[*Args], T], *arguments: *Args) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def _known(self, username: str) -> tuple[store.User | None, str]:
        if len(username) > LONGEST_USERNAME or not username.isprintable():
            return None, self._nobody
        found = await self._database.read(lambda connection: store.password_of(connection, username))
        return (None, self._nobody) if found is None else found

    def _check(self, user: store.User | None, password_hash: str, password: str) -> store.User | None:
        if len(password) > LONGEST_PASSWORD or not is_text(password):
            user, password = None, ""
        fits = False
        with suppress(argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            fits = self._hasher.verify(password_hash, password)
        return user if fits and user is not None and not user.disabled else None

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_memory_back() -> None:
    """Have the 19 MiB of a check returned to the system after it.

    glibc takes large blocks from the system and returns them, until it has seen a few; then it keeps them, for each
    thread. A fixed threshold (`M_MMAP_THRESHOLD`) keeps it from learning that. Other libraries do not need it.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-3, 1024 * 1024)


def is_text(password: str) -> bool:
    """Whether it can be written as UTF-8: lone surrogates cannot."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hash_of_nobody(hasher: argon2.PasswordHasher) -> str:
    """A hash that no password has, with this hasher's parameters: checking it takes as long as a real one."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"
