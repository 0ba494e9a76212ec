"""The answer to a nats-server that asks about a connection."""

from auth_svc.bus_admission.flow import Guest, permissions
from auth_svc.token import AccessTokens
from lib_one.nats.callout import Admission, Shown
from lib_one.nats.session import inbox_of


class BusAdmission:
    """Admits whoever shows a good access token that opens something on the bus."""

    def __init__(self, tokens: AccessTokens, *, issuer: str, resource: str) -> None:
        self._tokens = tokens
        self._issuer = issuer
        self._resource = resource

    async def decide(self, shown: Shown) -> Admission | str:
        """Read the token of a connection, and say what it opens, or why it opens nothing."""
        token = shown.auth_token
        if not token:
            return "no access token"
        claims = self._tokens.read(token)
        if claims is None:
            return "no access token of this issuer"
        if not self._tokens.live(claims):
            return "the access token has expired or was revoked"
        if claims.cnf is not None:
            return "the access token is bound to a key, and nothing proves that the connection has it"
        found = permissions(claims, app_svc=self._resource, auth_svc=self._issuer)
        if found is None:
            return "the access token opens nothing on the bus"
        return Admission(
            name=Guest.of(claims).encode(),
            publish=found.publish,
            subscribe=(*found.subscribe, f"{inbox_of(token)}.>"),
            expires_at=claims.exp,
        )
