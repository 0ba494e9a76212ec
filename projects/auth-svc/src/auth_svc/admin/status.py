"""GET /admin/status: how every process stands that is on the bus, as it says itself (`$SRV.STATS`)."""

import msgspec

from auth_svc.errors import InsufficientScope
from auth_svc.protocol import ADMIN
from auth_svc.settings import Settings
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import Request, Response, json_response
from lib_one.errors import BusUnavailableError
from lib_one.nats import NatsConnection, ServiceStanding, standings


class SystemStatus(msgspec.Struct, frozen=True):
    """The answer. Who is away does not answer, so it is not in the list."""

    bus: bool
    """Whether the bus could be asked; if not, nothing is known."""
    services: list[ServiceStanding]
    """Every process that answered, by name and role."""


class StatusEndpoint:
    """The endpoint."""

    def __init__(self, presented: PresentedTokens, connection: NatsConnection | None, settings: Settings) -> None:
        self._presented = presented
        self._connection = connection
        self._uri = f"{settings.issuer}/admin/status"

    async def __call__(self, request: Request) -> Response:
        """Ask all of them, for a third of a second."""
        return await self._presented.answer(request, self._respond, uri=self._uri)

    async def _respond(self, claims: AccessClaims) -> Response:
        if ADMIN not in claims.scopes:
            raise InsufficientScope
        return json_response(await self._ask())

    async def _ask(self) -> SystemStatus:
        if self._connection is None:
            return SystemStatus(bus=False, services=[])
        try:
            return SystemStatus(bus=True, services=await standings(self._connection))
        except BusUnavailableError:
            return SystemStatus(bus=False, services=[])
