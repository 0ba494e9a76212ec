"""The answer to a nats-server that asks about a connection."""

from collections.abc import Sequence

from auth_svc.bus_admission.flow import Guest, permissions
from auth_svc.db import Ledger
from auth_svc.errors import InvalidProof
from auth_svc.proofs import Possession
from auth_svc.token import AccessClaims, AccessTokens
from lib_one.nats.callout import Admission, Shown
from lib_one.nats.session import inbox_of


class BusAdmission:
    """Admits whoever shows a good access token that opens something on the bus."""

    def __init__(
        self,
        ledger: Ledger,
        tokens: AccessTokens,
        possession: Possession,
        *,
        issuer: str,
        resource: str,
        addresses: Sequence[str],
    ) -> None:
        """`addresses` are those of the bus, as proofs name them."""
        self._ledger = ledger
        self._tokens = tokens
        self._possession = possession
        self._issuer = issuer
        self._resource = resource
        self._addresses = addresses

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
        found = permissions(claims, app_svc=self._resource, auth_svc=self._issuer)
        if found is None:
            return "the access token opens nothing on the bus"
        try:
            unproven = await self._unproven(shown, claims)
        except InvalidProof as error:
            return f"the proof is not good: {error.detail}"
        if unproven is not None:
            return unproven
        return Admission(
            name=Guest.of(claims).encode(),
            publish=found.publish,
            subscribe=(*found.subscribe, f"{inbox_of(token)}.>"),
            expires_at=claims.exp,
        )

    async def _unproven(self, shown: Shown, claims: AccessClaims) -> str | None:
        """Why the token is not proven to be its holder's, if it is not; a proof is used up. A bound token is no bearer
        token, nor the other way round (RFC 9449 section 7.2).

        Raises:
            InvalidProof: the proof is not good for this connection.
        """
        if claims.cnf is not None and claims.cnf.x5t_s256 is not None:
            return "the access token is bound to a certificate, and the bus asks nobody for one"
        jkt = None if claims.cnf is None else claims.cnf.jkt
        if jkt is None:
            return "a proof with an access token that is bound to no key" if shown.signed else None
        if not shown.signed:
            return "the access token is bound to a key, and no proof came with it"
        proven = self._possession.of_connection(
            shown.signed, shown.auth_token, addresses=self._addresses, nonce=shown.nonce
        )
        if proven.confirmation.jkt != jkt:
            return "the access token is bound to another key"
        await self._ledger.database.work(lambda connection: self._possession.consume(connection, proven))
        return None
