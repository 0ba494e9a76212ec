"""Who is on the bus by a token, and has to leave when that token is no longer good."""

import asyncio

from auth_svc.bus_admission.flow import Guest, ends
from auth_svc.db import Ledger
from auth_svc.token import AccessTokens
from lib_one.event import Event
from lib_one.nats import Follower, NatsConnection
from lib_one.nats.doorkeeper import Connected, Doorkeeper
from lib_one.nats.topology import REV
from lib_one.observe import get_logger

log = get_logger(__name__)


class Guests:
    """Ends connections whose token was revoked, whichever process admitted them and whichever revoked it.

    A revocation that comes between the admission and the news of the connection is found in the database, one that
    comes later is heard from the stream.
    """

    def __init__(
        self, ledger: Ledger, tokens: AccessTokens, connection: NatsConnection, keeper: NatsConnection
    ) -> None:
        """`connection` is the process's own, `keeper` the one in the servers' account."""
        self.kicked = 0
        self._now = ledger.now
        self._tokens = tokens
        self._here: dict[Connected, Guest] = {}
        self._doorkeeper = Doorkeeper(keeper, came=self._came, gone=self._gone)
        assert REV.live is not None  # noqa: S101 - for mypy
        self._follower = Follower(connection, stream=REV.name, live=REV.live, apply=self._heard, reset=lambda: None)

    def __len__(self) -> int:
        """How many are here."""
        return len(self._here)

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._doorkeeper.run())
            tasks.create_task(self._follower.run())

    def _came(self, who: Connected, name: str) -> None:
        guest = Guest.decode(name)
        if guest is None:  # a service, which comes with a key
            return
        self._here[who] = guest
        if not self._tokens.live(guest):
            self._kick(who, guest)

    def _gone(self, who: Connected) -> None:
        self._here.pop(who, None)

    def _heard(self, event: Event, _sequence: int) -> None:
        now = self._now().timestamp()
        for who, guest in list(self._here.items()):
            if guest.exp <= now:  # the server has ended it, and we were away
                del self._here[who]
            elif ends(event.data, guest):
                self._kick(who, guest)

    def _kick(self, who: Connected, guest: Guest) -> None:
        self._here.pop(who, None)
        self.kicked += 1
        log.info("a connection to the bus is ended", token_id=guest.jti, client_id=guest.client_id)
        self._doorkeeper.kick(who)
