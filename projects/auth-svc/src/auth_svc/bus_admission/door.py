"""The door with its keys: who wants in is answered, and who may no longer be in is put out."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from auth_svc.bus_admission.admission import BusAdmission
from auth_svc.bus_admission.guests import Guests
from auth_svc.db import Ledger
from auth_svc.proofs import Possession
from auth_svc.token import AccessTokens
from lib_one.nats import NatsConnection
from lib_one.nats.callout import Callout
from lib_one.nats.rights import DOOR_CURVE, DOOR_ISSUER, DOORKEEPER


class BusDoorError(Exception):
    """A key of the door is missing or is none. The message is one line for people."""


class BusDoor:
    """Keeps the door of the bus for as long as it runs. Several processes may: each question goes to one of them."""

    def __init__(
        self,
        ledger: Ledger,
        tokens: AccessTokens,
        possession: Possession,
        connection: NatsConnection,
        *,
        keys: Path,
        issuer: str,
        resource: str,
        addresses: Sequence[str],
    ) -> None:
        """`keys` is the folder with the seeds, `resource` the identifier of app-svc, `addresses` are
        where clients reach the bus.

        Raises:
            BusDoorError: a seed is missing or is none.
        """
        admission = BusAdmission(ledger, tokens, possession, issuer=issuer, resource=resource, addresses=addresses)
        try:
            seeds = {
                name: (keys / f"{name}.nk").read_text("ascii").strip()
                for name in (DOOR_ISSUER, DOOR_CURVE, DOORKEEPER.name)
            }
            self._keeper = NatsConnection(
                connection.url, name=DOORKEEPER.name, nkey_seed=seeds[DOORKEEPER.name], ca_file=connection.ca_file
            )
            self._callout = Callout(
                connection,
                issuer_seed=seeds[DOOR_ISSUER],
                curve_seed=seeds[DOOR_CURVE],
                decide=admission.decide,
                now=ledger.now,
            )
        except OSError as error:
            raise BusDoorError(f"a key of the bus's door cannot be read: {error.filename}") from error
        except ValueError as error:
            raise BusDoorError(f"a key of the bus's door in {keys}: {error}") from error
        self._guests = Guests(ledger, tokens, connection, self._keeper)

    async def run(self) -> None:
        """Keep the door until cancelled."""
        await self._keeper.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._callout.run())
                tasks.create_task(self._guests.run())
        finally:
            await self._keeper.close()

    def stats(self) -> dict[str, int]:
        """For operators: how many were admitted and refused by this process, are here by a token, were put out."""
        return {
            "admitted": self._callout.admitted,
            "refused": self._callout.refused,
            "guests": len(self._guests),
            "kicked": self._guests.kicked,
        }
