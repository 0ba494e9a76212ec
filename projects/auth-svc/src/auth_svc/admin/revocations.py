"""POST /admin/revocations: an operator ends a token, a grant, a sign-in, all of a person or of a client.

With `wait`, the answer says which services that check tokens refuse it, and after how many milliseconds.
"""

from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated, Literal

import msgspec

from auth_svc import clients, subjects, users
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InsufficientScope, InvalidRequest, OAuthError
from auth_svc.protocol import ADMIN
from auth_svc.revocation import Revocation
from auth_svc.settings import Settings
from auth_svc.signin import end_session, session_with_id
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import Request, Response, error_response, json_response
from lib_one.contracts import revocation as facts
from lib_one.contracts.auth import UserRevoked
from lib_one.errors import SubjectError
from lib_one.event import Contract
from lib_one.nats import Applied, Propagation, Reach
from lib_one.observe import get_logger

_log = get_logger(__name__)

type Kind = Literal["token", "grant", "session", "subject", "client"]


class UnknownIdentifier(OAuthError):  # noqa: N818 - errors have the RFC's names
    """An operator named a person or a client that is not there."""

    code = "unknown_identifier"
    status = 404
    description = "Nothing here has this identifier."


class Revocable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body: what is to be ended."""

    kind: Kind
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    """A `jti`, a `grant_id`, a `sid`, a `sub` (or a user name), a `client_id`."""
    wait: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0
    """Seconds to wait for the services that check tokens."""


class RevocationReport(msgspec.Struct, frozen=True):
    """The answer: it is ended, and this is how far that is known."""

    kind: Kind
    id: str
    """What was ended: of a person always the `sub`."""
    sequence: int | None
    """The place of the revocation in the stream of revocations; null if it was not seen there."""
    complete: bool
    """Whether every service that answered refuses it."""
    services: tuple[Applied, ...]
    """Whoever checks tokens and answered."""


class Revocations:
    """The endpoint."""

    def __init__(
        self,
        ledger: Ledger,
        presented: PresentedTokens,
        revocation: Revocation,
        propagation: Propagation | None,
        known: clients.Clients,
        settings: Settings,
    ) -> None:
        self._ledger = ledger
        self._presented = presented
        self._revocation = revocation
        self._propagation = propagation
        self._clients = known
        self._uri = f"{settings.issuer}/admin/revocations"
        self._token_life = settings.access_token_life
        self._decode = msgspec.json.Decoder(Revocable).decode

    async def __call__(self, request: Request) -> Response:
        """End it. The order of checks: the token, its scope, the body, what it names."""
        return await self._presented.answer(request, partial(self._respond, request), uri=self._uri)

    async def _respond(self, request: Request, claims: AccessClaims) -> Response:
        if ADMIN not in claims.scopes:
            raise InsufficientScope
        try:
            wanted = self._decode(await request.body())
            if not wanted.id.isprintable():
                raise InvalidRequest("not printable")  # PostgreSQL could not even look for a NUL
            report = await self._end(wanted, by=claims)
        except OAuthError as error:
            return error_response(error)  # the token was good: no challenge
        except (ValueError, RecursionError, SubjectError) as error:
            return error_response(InvalidRequest(str(error)))
        _log.info("revoked by an operator", kind=report.kind, id=report.id, by=claims.sub)
        return json_response(report)

    async def _end(self, wanted: Revocable, *, by: AccessClaims) -> RevocationReport:
        name, subjects_of_it, end = await self._ledger.database.read(lambda c: self._plan(c, wanted, by=by))

        async def tell() -> None:
            await self._ledger.database.work(end)
            if wanted.kind == "client":
                self._clients.forget(name)

        if self._propagation is None or not wanted.wait:
            await tell()
            reach = Reach()
        else:
            reach = await self._propagation.watch(subjects_of_it, tell, within=wanted.wait)
        return RevocationReport(wanted.kind, name, reach.sequence, reach.complete, reach.services)

    def _plan(
        self, connection: Connection, wanted: Revocable, *, by: AccessClaims
    ) -> tuple[str, Collection[str], Callable[[Connection], None]]:
        """What is meant, the subjects of the facts that will tell it, and the unit of work.

        Raises:
            UnknownIdentifier: there is no such person, sign-in or client.
            SubjectError: it cannot be an id.
        """
        if wanted.kind == "subject":
            return self._plan_person(connection, wanted.id, by=by)
        id_, now, revocation = wanted.id, self._ledger.now(), self._revocation
        match wanted.kind:
            case "token":
                fact: Contract = facts.TokenRevoked(token_id=id_, expires_at=now)
                end = partial(revocation.revoke_token, token_id=id_, expires_at=now + self._token_life)
            case "grant":
                fact = facts.GrantRevoked(grant_id=id_, expires_at=now)
                end = partial(revocation.revoke_grant, grant_id=id_)
            case "session":
                fact = facts.SessionRevoked(session_id=id_, expires_at=now)
                end = partial(self._end_session, session_id=id_)
            case _:
                if clients.find(connection, id_) is None:
                    raise UnknownIdentifier
                fact = facts.ClientRevoked(client_id=id_, not_before=now, expires_at=now)
                end = partial(revocation.revoke_client, client_id=id_)
        return id_, (fact.subject(),), end

    def _plan_person(
        self, connection: Connection, name: str, *, by: AccessClaims
    ) -> tuple[str, Collection[str], Callable[[Connection], None]]:
        user_id = subjects.user_of(connection, name) if subjects.could_be_pairwise(name) else name
        user = (users.find(connection, user_id) if user_id else None) or users.find_by_username(connection, name)
        if user is None:
            raise UnknownIdentifier
        now = self._ledger.now()
        told = [
            facts.SubjectRevoked(subject_id=known, not_before=now, expires_at=now).subject()
            for known in (user.user_id, *subjects.pairwise_of(connection, user.user_id))
        ]

        def end(connection: Connection) -> None:
            self._revocation.revoke_subject(connection, user.user_id)
            self._ledger.outbox.record(connection, UserRevoked(user_id=user.user_id, client_id=by.client_id))

        return user.user_id, told, end

    def _end_session(self, connection: Connection, session_id: str) -> None:
        session = session_with_id(connection, session_id)
        if session is None:  # of a sign-in that was forgotten, or without a browser
            self._revocation.revoke_session(connection, session_id)
        else:
            end_session(connection, session, ledger=self._ledger, revocation=self._revocation)
