"""/global-token-revocation: a program has all of a person ended, everywhere.

draft-parecki-oauth-global-token-revocation. For whoever learns first that an account is in danger: a security team's
tool, another identity provider.
"""

from functools import partial

import msgspec

from auth_svc import subjects, users
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InsufficientScope, InvalidRequest, OAuthError
from auth_svc.protocol import GLOBAL_TOKEN_REVOCATION
from auth_svc.revocation import Revocation
from auth_svc.subjects import Email, IssSub, Opaque
from auth_svc.token import AccessClaims, PresentedTokens
from auth_svc.wire import NO_STORE, Request, Response, error_response
from lib_one.contracts.auth import UserRevoked


class UnknownSubject(OAuthError):  # noqa: N818 - errors have the RFC's names
    """Global token revocation: nobody here is who the subject identifier names."""

    code = "unknown_subject"
    status = 404
    description = "Nobody here has this identifier."


class AmbiguousSubject(OAuthError):  # noqa: N818 - errors have the RFC's names
    """Global token revocation: the subject identifier fits more than one person."""

    code = "ambiguous_subject"
    status = 422
    description = "More than one person has this identifier."


class EverythingOf(msgspec.Struct, frozen=True):
    """The body: whom it is about."""

    sub_id: IssSub | Opaque | Email


class GlobalTokenRevocation:
    """POST /global-token-revocation, with an access token that has the scope of the same name."""

    def __init__(
        self, ledger: Ledger, presented: PresentedTokens, revocation: Revocation, *, issuer: str, uri: str
    ) -> None:
        """`uri` is the address of this endpoint, as proofs name it."""
        self._ledger = ledger
        self._presented = presented
        self._revocation = revocation
        self._issuer = issuer
        self._uri = uri
        self._decode = msgspec.json.Decoder(EverythingOf).decode

    async def __call__(self, request: Request) -> Response:
        """End what a person has: 204. The order of checks: the token, its scope, the body, the person."""
        return await self._presented.answer(request, partial(self._respond, request), uri=self._uri)

    async def _respond(self, request: Request, claims: AccessClaims) -> Response:
        if GLOBAL_TOKEN_REVOCATION not in claims.scopes:
            raise InsufficientScope
        try:
            user_id = await self._find(await self._subject(request))
        except OAuthError as error:
            return error_response(error)  # the token was good: no challenge
        await self._ledger.database.work(lambda connection: self._end(connection, user_id, claims.client_id))
        return Response(204, NO_STORE, b"")

    async def _subject(self, request: Request) -> IssSub | Opaque | Email:
        try:
            return self._decode(await request.body()).sub_id
        except (ValueError, RecursionError) as error:
            raise InvalidRequest("no sub_id in a format that is supported here") from error

    async def _find(self, subject: IssSub | Opaque | Email) -> str:
        if not "".join(msgspec.structs.astuple(subject)).isprintable():
            raise UnknownSubject  # PostgreSQL could not even look for a NUL
        if isinstance(subject, Email):
            found = await self._ledger.database.read(lambda c: users.ids_by_email(c, subject.email))
            if len(found) > 1:
                raise AmbiguousSubject
        else:
            known = not isinstance(subject, IssSub) or subject.iss == self._issuer
            name = subject.sub if isinstance(subject, IssSub) else subject.id
            user = await self._ledger.database.read(lambda c: _named(c, name)) if known else None
            found = [] if user is None else [user.user_id]
        if not found:
            raise UnknownSubject
        return found[0]

    def _end(self, connection: Connection, user_id: str, client_id: str) -> None:
        self._revocation.revoke_subject(connection, user_id)
        self._ledger.outbox.record(connection, UserRevoked(user_id=user_id, client_id=client_id))


def _named(connection: Connection, name: str) -> users.User | None:
    """Whom a `sub` means, a pairwise one included: whoever may revoke everything may do it by any name."""
    user_id = subjects.user_of(connection, name) if subjects.could_be_pairwise(name) else name
    return None if user_id is None else users.find(connection, user_id)
