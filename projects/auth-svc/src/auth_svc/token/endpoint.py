"""The pipeline of POST /token. What every grant must obey stands here, so that no grant can forget it.

Within the second in which a client, or the person of an assertion, lost all that was issued, it waits for the next one:
by its `iat` what it issues would count as issued before.

1  wire       POST, a form, not too large, nothing repeated         invalid_request (405, 413)
2  clients    the client is who it says                             invalid_client
3  here       grant_type is given, known, allowed to the client     invalid_request, unsupported_grant_type,
                                                                    unauthorized_client
4  here       each `resource` is one of ours (RFC 8707)             invalid_target
5  proofs     a proof is good, and there if the client owes one     invalid_dpop_proof, use_dpop_nonce
6  proofs     it is used up, in one unit of work …                  invalid_dpop_proof
7  the grant  … proves and consumes the right …                     invalid_grant, invalid_scope, …
8  here       … the person may still continue …                     invalid_grant
9  binding    … the key is the one that the right is bound to …     invalid_grant
10 details    … nothing is asked for that was not granted …         invalid_authorization_details, invalid_target
11 issuer     … signs, stores, records TokenIssued, commits
"""

from asyncio import sleep
from collections.abc import Iterable

from auth_svc import users
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.db import Connection, Ledger
from auth_svc.errors import (
    InvalidGrant,
    InvalidRequest,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from auth_svc.proofs import Possession
from auth_svc.protocol import REFRESH_TOKEN
from auth_svc.resources import Resources
from auth_svc.revocation import TooSoonError, check_told_apart
from auth_svc.token.binding import bind
from auth_svc.token.details import choose_details
from auth_svc.token.grant import Authorized, Grant, Refusal
from auth_svc.token.issuer import TokenIssuer
from auth_svc.wire import Form, Request, Response, json_bytes
from lib_one.sql.database import WorkFunction


class TokenEndpoint:
    """POST /token."""

    def __init__(
        self,
        ledger: Ledger,
        authentication: ClientAuthentication,
        possession: Possession,
        resources: Resources,
        issuer: TokenIssuer,
        grants: Iterable[Grant],
        *,
        uri: str,
    ) -> None:
        """`uri` is the address of this endpoint, as proofs name it."""
        self._ledger = ledger
        self._resources = resources
        self._authentication = authentication
        self._possession = possession
        self._uri = uri
        self._issuer = issuer
        self._grants = {grant.grant_type: grant for grant in grants}

    @property
    def grant_types(self) -> tuple[str, ...]:
        """Every grant type that is answered here, for the metadata."""
        return tuple(self._grants)

    async def __call__(self, request: Request) -> Response:
        """Answer a token request.

        Raises:
            OAuthError: the answer is no.
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        grant = self._pick(form, client)
        self._resources.catalogue.check(form.resources)
        shown = self._possession.of_client(request, client, uri=self._uri)

        def unit(connection: Connection) -> bytes | Refusal:
            now = self._ledger.now()
            check_told_apart(client.revoked_at, now)
            if shown is not None:
                self._possession.consume(connection, shown)
            outcome = grant.authorize(connection, client, form, now)
            if isinstance(outcome, Refusal):
                return outcome
            self._check_person(connection, outcome)
            outcome = bind(
                connection,
                outcome,
                client,
                None if shown is None else shown.confirmation,
                renewal=grant.grant_type == REFRESH_TOKEN,
            )
            outcome = choose_details(outcome, form)
            if outcome.resource and not set(form.resources) <= set(outcome.resource):
                raise InvalidTarget("wider than what was consented")
            return self._issuer.issue(
                connection, outcome, client, grant_type=grant.grant_type, resources=form.resources, now=now
            )

        answer = await self._told_apart(unit)
        if isinstance(answer, Refusal):
            raise answer.error
        return json_bytes(answer, () if shown is None else shown.headers)

    async def _told_apart[T](self, unit: WorkFunction[T]) -> T:
        """Run a unit of work; again in the next second, if what it issues would count as issued before a revocation."""
        while True:
            try:
                return await self._ledger.database.work(unit)
            except TooSoonError as error:
                await sleep(error.seconds)

    def _pick(self, form: Form, client: Client) -> Grant:
        name = form.get("grant_type")
        if name is None:
            raise InvalidRequest("grant_type is missing")
        grant = self._grants.get(name)
        if grant is None:
            raise UnsupportedGrantType
        if name not in client.grant_types:
            raise UnauthorizedClient(f"{client.client_id}: {name}")
        return grant

    def _check_person(self, connection: Connection, authorized: Authorized) -> None:
        """A code or a grant outlives neither a closed account nor "sign me out everywhere"."""
        if authorized.auth_time is None:
            return
        user = authorized.person or users.find(connection, authorized.subject)
        if user is None or not user.may_continue(authorized.auth_time):
            raise InvalidGrant(f"{authorized.subject} may not continue")
