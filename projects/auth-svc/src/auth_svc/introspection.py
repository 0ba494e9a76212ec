"""/introspect, RFC 7662: a resource server asks whether a token is good right now. Signed answers: RFC 9701."""

from typing import Any

import msgspec

from auth_svc import grants, users
from auth_svc.clients import Client, ClientAuthentication
from auth_svc.db import Connection, Ledger
from auth_svc.errors import InvalidClient, InvalidRequest
from auth_svc.keys import KeyRing
from auth_svc.protocol import BEARER, DPOP
from auth_svc.resources import Resources
from auth_svc.subjects import Subjects
from auth_svc.token import AccessClaims, AccessTokens, Actor
from auth_svc.wire import NO_STORE, Request, Response, json_bytes

_INACTIVE = b'{"active":false}'
_SIGNED = "token-introspection+jwt"
_SIGNED_TYPE = f"application/{_SIGNED}".encode()
_encode = msgspec.json.Encoder().encode


class Introspection(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """The answer for an active token (section 2.2)."""

    active: bool
    scope: str
    client_id: str
    token_type: str | None = None
    exp: int
    iat: int | None = None
    sub: str
    aud: str | list[str] | None = None
    iss: str
    jti: str | None = None
    sid: str | None = None
    grant_id: str | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    cnf: grants.Confirmation | None = None
    act: Actor | None = None
    may_act: Actor | None = None
    authorization_details: tuple[dict[str, Any], ...] = ()


class SignedIntrospection(msgspec.Struct, frozen=True):
    """The same as the claims of a JWT (RFC 9701 section 5): no `sub`, no `exp`, so that it never passes as a token."""

    iss: str
    aud: str
    iat: int
    token_introspection: msgspec.Raw


class IntrospectionEndpoint:
    """POST /introspect, for confidential clients only."""

    def __init__(
        self,
        ledger: Ledger,
        authentication: ClientAuthentication,
        tokens: AccessTokens,
        keys: KeyRing,
        resources: Resources,
        subjects: Subjects,
        *,
        issuer: str,
    ) -> None:
        self._ledger = ledger
        self._authentication = authentication
        self._tokens = tokens
        self._keys = keys
        self._resources = resources
        self._subjects = subjects
        self._issuer = issuer

    async def __call__(self, request: Request) -> Response:
        """Say whether a token is good, to the resource server that it is for or the client that has it.

        To everybody else every token is `{"active":false}`, like one that does not exist. Who says in `Accept` that it
        takes a signed answer gets one (RFC 9701 section 4).
        """
        form = await request.form()
        client = await self._authentication.authenticate(request, form)
        if not client.confidential:
            raise InvalidClient("a public client may not introspect")
        token = form.get("token")
        if token is None:
            raise InvalidRequest("token is missing")
        answer = self._answer(token, client)
        if not _wants_signature(request):
            return json_bytes(answer)
        return Response(200, [(b"content-type", _SIGNED_TYPE), *NO_STORE], self._signed(answer, client))

    def _signed(self, answer: bytes, client: Client) -> bytes:
        claims = SignedIntrospection(
            iss=self._issuer,
            aud=client.resource or client.client_id,
            iat=int(self._ledger.now().timestamp()),
            token_introspection=msgspec.Raw(answer),
        )
        return self._keys.sign(client.introspection_signed_response_alg, _SIGNED, _encode(claims)).encode()

    def _answer(self, token: str, client: Client) -> bytes:
        claims = self._tokens.read(token)
        if claims is None:
            return self._refresh_token(token, client)
        if client.resource not in claims.audiences and client.client_id != claims.client_id:
            return _INACTIVE
        if not self._tokens.live(claims):
            return _INACTIVE
        return _encode(
            Introspection(
                active=True,
                scope=claims.scope,
                client_id=claims.client_id,
                token_type=DPOP if claims.cnf and claims.cnf.jkt else BEARER,
                exp=claims.exp,
                iat=claims.iat,
                sub=claims.sub,
                aud=claims.aud,
                iss=claims.iss,
                jti=claims.jti,
                sid=claims.sid,
                grant_id=claims.grant_id,
                auth_time=claims.auth_time,
                acr=claims.acr,
                amr=claims.amr,
                roles=claims.roles,
                cnf=claims.cnf,
                act=claims.act,
                may_act=claims.may_act,
                authorization_details=self._details(claims, client),
            )
        )

    def _details(self, claims: AccessClaims, client: Client) -> tuple[dict[str, Any], ...]:
        """To a resource server, what is for others is nothing (RFC 9396 section 9.2)."""
        if client.client_id == claims.client_id or client.resource is None:
            return claims.authorization_details
        return self._resources.catalogue.details_for(claims.authorization_details, [client.resource])

    def _refresh_token(self, token: str, client: Client) -> bytes:
        now = self._ledger.now()

        def ask(connection: Connection) -> bytes:
            found = grants.find_refresh_token(connection, token)
            if found is None or found.grant.client_id != client.client_id:
                return _INACTIVE
            grant = found.grant
            ends = min(found.expires_at, grant.expires_at)
            user = users.find(connection, grant.user_id)
            if found.used or grant.revoked or now >= ends or user is None or not user.may_continue(grant.auth_time):
                return _INACTIVE
            return _encode(
                Introspection(
                    active=True,
                    scope=" ".join(grant.scope),
                    client_id=grant.client_id,
                    exp=int(ends.timestamp()),
                    sub=self._subjects.of(client, grant.user_id),
                    iss=self._issuer,
                    sid=grant.session_id,
                    grant_id=grant.grant_id,
                )
            )

        return self._ledger.database.lookup(ask)


def _wants_signature(request: Request) -> bool:
    accepted = b",".join(value for name, value in request.scope["headers"] if name == b"accept").lower()
    return any(media.partition(b";")[0].strip() == _SIGNED_TYPE for media in accepted.split(b","))
