"""What an access token opens on the bus: the one table of scope and subjects."""

from dataclasses import dataclass
from typing import Final, Literal

from auth_svc.protocol import ADMIN


@dataclass(frozen=True, kw_only=True)
class Right:
    """What one scope allows. Whatever no row allows is denied."""

    scope: str
    owner: Literal["app-svc", "auth-svc"]
    """Whose scope it is: it counts if the token is for that service (`aud`)."""
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    text: str


_ASK_SERVICES: Final = ("$SRV.PING", "$SRV.PING.>", "$SRV.INFO", "$SRV.INFO.>", "$SRV.STATS", "$SRV.STATS.>")

RIGHTS: Final = (
    Right(
        scope="shipments:read",
        owner="app-svc",
        subscribe=("live.shipments.>",),
        text="Hear what happens to shipments: the live feed",
    ),
    Right(
        scope="shipments:admin", owner="app-svc", publish=_ASK_SERVICES, text="Ask the services who runs and how it is"
    ),
    Right(scope=ADMIN, owner="auth-svc", publish=_ASK_SERVICES, text="Ask the services who runs and how it is"),
)
"""Every row. Who is admitted has an inbox of their own besides."""
