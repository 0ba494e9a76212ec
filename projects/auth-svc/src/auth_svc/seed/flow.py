"""Reads the seed file and makes the house be as it says."""

from functools import partial
from pathlib import Path

import msgspec

from auth_svc import users
from auth_svc.clients import FIRST_PARTY, ClientRegistration, NewClient, RegistrationError, fetched_sector_problem
from auth_svc.db import Connection, Ledger
from auth_svc.resources import Resource, Resources
from auth_svc.revocation import Revocation
from auth_svc.secret_key import KeyedHash
from auth_svc.seed import store
from auth_svc.users import Accounts, Profile
from lib_one.http import AsyncClient


class SeedError(Exception):
    """The seed file cannot be read or does not have the shape."""


class Seed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a seed file."""

    resources: tuple[Resource, ...] = ()
    users: tuple[Profile, ...] = ()
    clients: tuple[NewClient, ...] = ()


class Seeding:
    """Applies the seed file and makes the applications of the house known."""

    def __init__(
        self,
        ledger: Ledger,
        accounts: Accounts,
        registration: ClientRegistration,
        revocation: Revocation,
        resources: Resources,
        outside: AsyncClient,
        hasher: KeyedHash,
        *,
        resource: str,
    ) -> None:
        self._ledger = ledger
        self._accounts = accounts
        self._registration = registration
        self._revocation = revocation
        self._resources = resources
        self._outside = outside
        self._hasher = hasher
        self._resource = resource

    async def apply(self, file: Path | None) -> bool:
        """Apply the file if its content is new; False if there was nothing to do.

        Whoever has another password, secret or role than before, or a scope less, loses what was issued.

        Raises:
            SeedError: the file cannot be read.
            AccountError, RegistrationError, ResourceError: what it says cannot be.
        """
        text = "" if file is None else _read(file)
        seed = _parse(text)
        clients = [*FIRST_PARTY, *(self._with_resource(client) for client in seed.clients)]
        # The applications of the house are part of it, so that a release that changes them is applied as well.
        mark = self._hasher(text + repr(FIRST_PARTY) + self._resource)
        if await self._ledger.database.read(lambda connection: store.applied(connection, mark)):
            return False
        people = []
        for profile in seed.users:
            known = await self._ledger.database.read(partial(users.password_of, username=profile.username))
            known_hash = None if known is None else known[1]
            people.append((profile, users.hash_password(profile.username, profile.password, known_hash=known_hash)))

        for client in clients:
            problem = await fetched_sector_problem(client, self._outside)
            if problem is not None:
                raise RegistrationError(f"client {client.client_id!r}: {problem}")

        def unit(connection: Connection) -> None:
            for resource in seed.resources:
                self._resources.put(connection, resource)
            for profile, password_hash in people:
                changed = self._accounts.ensure(connection, profile, password_hash=password_hash)
                if changed is not None:
                    self._revocation.revoke_subject(connection, changed)
            for client in clients:
                if self._registration.ensure(connection, client):
                    self._revocation.revoke_client(connection, client.client_id)
            store.remember(connection, mark, now=self._ledger.now())

        await self._ledger.database.work(unit)
        return True

    def _with_resource(self, client: NewClient) -> NewClient:
        """A client named `app-svc` stands for the resource, unless the seed says otherwise."""
        if client.client_id == "app-svc" and client.resource is None:
            return msgspec.structs.replace(client, resource=self._resource)
        return client


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError(f"cannot read the seed file {file}: {error}") from error


def _parse(text: str) -> Seed:
    try:
        return msgspec.json.decode(text, type=Seed) if text else Seed()
    except msgspec.DecodeError as error:
        raise SeedError(f"the seed file does not have the shape: {error}") from error
