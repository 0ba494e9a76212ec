"""The mint: every access token, refresh token and ID token that leaves the house is made here."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from auth_svc import grants, users
from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.keys import KeyRing
from auth_svc.protocol import BEARER, DPOP
from auth_svc.relying_parties import RelyingParties
from auth_svc.resources import Resources
from auth_svc.subjects import Subjects
from auth_svc.token import store
from auth_svc.token.grant import Actor, Authorized
from lib_one.contracts.auth import TokenIssued
from lib_one.event import new_id


class AccessClaims(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """The claims of an access token (RFC 9068 section 2.2), times in whole seconds."""

    iss: str
    sub: str
    aud: str | list[str]
    client_id: str
    iat: int
    exp: int
    jti: str
    scope: str
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
    userinfo_claims: tuple[str, ...] = ()
    """What userinfo tells beyond the scope: the parameter `claims` (OIDC Core section 5.5)."""
    user_id: str | None = None
    """Whom a pairwise `sub` means. Found when the token is read: it is never in the token."""

    @property
    def subject_id(self) -> str:
        """Whom it is about, as the house knows them: a user id, or a client id."""
        return self.user_id or self.sub

    @property
    def audiences(self) -> tuple[str, ...]:
        """`aud`, always as several."""
        return (self.aud,) if isinstance(self.aud, str) else tuple(self.aud)

    @property
    def scopes(self) -> frozenset[str]:
        """`scope`, taken apart."""
        return frozenset(self.scope.split())


class IdClaims(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """The claims of an ID token (OIDC Core section 2)."""

    iss: str
    sub: str
    aud: str
    exp: int
    iat: int
    at_hash: str
    auth_time: int | None = None
    nonce: str | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    sid: str | None = None
    auth_req_id: str | None = msgspec.field(default=None, name="urn:openid:params:jwt:claim:auth_req_id")
    rt_hash: str | None = msgspec.field(default=None, name="urn:openid:params:jwt:claim:rt_hash")
    """Both of them where tokens are pushed (CIBA Core section 10.3.1)."""


class TokenResponse(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """The body of a good answer (RFC 6749 section 5.1); `scope` is always there."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    refresh_token: str | None = None
    id_token: str | None = None
    issued_token_type: str | None = None
    authorization_details: tuple[dict[str, Any], ...] = ()


_encode = msgspec.json.Encoder().encode


class TokenIssuer:
    """Makes tokens."""

    def __init__(
        self,
        ledger: Ledger,
        keys: KeyRing,
        resources: Resources,
        parties: RelyingParties,
        subjects: Subjects,
        *,
        issuer: str,
        access_token_life: timedelta,
        refresh_token_life: timedelta,
        grant_life: timedelta,
    ) -> None:
        self._ledger = ledger
        self._keys = keys
        self._parties = parties
        self._subjects = subjects
        self._issuer = issuer
        self._resources = resources
        self._life = access_token_life
        self._life_seconds = int(access_token_life.total_seconds())
        self._refresh_life = refresh_token_life
        self._grant_life = grant_life

    def issue(
        self,
        connection: Connection,
        authorized: Authorized,
        client: Client,
        *,
        grant_type: str,
        resources: Sequence[str],
        now: datetime,
    ) -> bytes:
        """Make what `authorized` allows, record it, and return the body of the answer.

        Raises:
            InvalidTarget: nothing of the scope is for the resources that were asked for, or they want different tokens.
        """
        target = self._resources.catalogue.target(authorized.scope, resources or authorized.resource)
        scope_text = " ".join(target.scope)
        details = authorized.terms.authorization_details if authorized.details is None else authorized.details
        if details:
            audience = [target.audience] if isinstance(target.audience, str) else target.audience
            details = self._resources.catalogue.details_for(details, audience)
        issued_at = int(now.timestamp())
        expires_at = now + self._life if authorized.not_after is None else min(now + self._life, authorized.not_after)
        token_id = new_id()
        subject = authorized.subject
        if authorized.grant_id is not None and client.subject_type == "pairwise":
            subject = self._subjects.shown_to(connection, client, authorized.subject)
        auth_time = None if authorized.auth_time is None else int(authorized.auth_time.timestamp())
        claims = _encode(
            AccessClaims(
                iss=self._issuer,
                sub=subject,
                aud=target.audience,
                client_id=authorized.client_id,
                iat=issued_at,
                exp=int(expires_at.timestamp()),
                jti=token_id,
                scope=scope_text,
                sid=authorized.session_id,
                grant_id=authorized.grant_id,
                auth_time=auth_time,
                acr=authorized.terms.acr,
                amr=authorized.amr,
                roles=authorized.roles,
                cnf=authorized.confirmation,
                act=authorized.actor,
                may_act=_may_act(authorized, client),
                authorization_details=details,
                userinfo_claims=() if authorized.terms.claims is None else authorized.terms.claims.userinfo,
            )
        )
        if target.format == "jwt":
            access_token = self._keys.sign(target.algorithm, "at+jwt", claims)
        else:
            access_token = store.keep(connection, claims, token_id=token_id, expires_at=expires_at)
        refresh_token = authorized.refresh_token
        if authorized.issue_refresh:
            refresh_token = self._begin_grant(connection, authorized, now)
        id_token = None
        if authorized.id_token:
            id_token = self._id_token(
                connection, authorized, client, access_token, refresh_token, subject=subject, issued_at=issued_at
            )
            if authorized.session_id is not None and authorized.refresh_token is None:
                self._parties.learn(
                    connection,
                    client,
                    session_id=authorized.session_id,
                    user_id=authorized.subject,
                    subject=subject,
                )
        self._ledger.outbox.record(
            connection,
            TokenIssued(
                token_id=token_id,
                client_id=authorized.client_id,
                subject_id=authorized.subject,
                grant_type=grant_type,
                scope=scope_text,
                expires_at=expires_at,
                grant_id=authorized.grant_id,
                actor_id=None if authorized.actor is None else authorized.actor.sub,
            ),
        )
        return _encode(
            TokenResponse(
                access_token=access_token,
                token_type=DPOP if authorized.confirmation and authorized.confirmation.jkt else BEARER,
                expires_in=int(expires_at.timestamp()) - issued_at,
                scope=scope_text,
                refresh_token=refresh_token,
                id_token=id_token,
                issued_token_type=authorized.issued_token_type,
                authorization_details=details,
            )
        )

    def _begin_grant(self, connection: Connection, authorized: Authorized, now: datetime) -> str:
        if authorized.grant_id is None or authorized.auth_time is None:
            raise ValueError("a refresh token needs a person's grant")
        grants.begin(
            connection,
            grants.StoredGrant(
                grant_id=authorized.grant_id,
                user_id=authorized.subject,
                client_id=authorized.client_id,
                session_id=authorized.session_id,
                scope=authorized.scope,
                resource=authorized.resource,
                auth_time=authorized.auth_time,
                amr=authorized.amr,
                terms=authorized.terms,
                expires_at=now + self._grant_life,
            ),
            now=now,
        )
        expires_at = now + min(self._refresh_life, self._grant_life)
        return grants.renew(connection, authorized.grant_id, now=now, expires_at=expires_at)

    def _id_token(
        self,
        connection: Connection,
        authorized: Authorized,
        client: Client,
        access_token: str,
        refresh_token: str | None,
        *,
        subject: str,
        issued_at: int,
    ) -> str:
        algorithm = client.id_token_signed_response_alg
        pushed_refresh_token = None if authorized.auth_req_id is None else refresh_token
        claims = IdClaims(
            iss=self._issuer,
            sub=subject,
            aud=authorized.client_id,
            exp=issued_at + self._life_seconds,
            iat=issued_at,
            at_hash=_half_hash(access_token, algorithm),
            auth_time=None if authorized.auth_time is None else int(authorized.auth_time.timestamp()),
            nonce=authorized.nonce,
            acr=authorized.terms.acr,
            amr=authorized.amr,
            sid=authorized.session_id,
            auth_req_id=authorized.auth_req_id,
            rt_hash=None if pushed_refresh_token is None else _half_hash(pushed_refresh_token, algorithm),
        )
        payload = _encode(claims)
        wanted = authorized.terms.claims
        if wanted is not None and wanted.id_token:
            user = users.find(connection, authorized.subject)
            about = {} if user is None else users.claims_about(user, wanted.id_token)
            payload = _encode(about | msgspec.to_builtins(claims))
        return self._keys.sign(algorithm, "JWT", payload)


def _half_hash(token: str, algorithm: str) -> str:
    """The left half of a token's hash, by the algorithm of the ID token's signature (OIDC Core section 3.1.3.6)."""
    digest = hashlib.sha512 if algorithm == "EdDSA" else hashlib.sha256
    hashed = digest(token.encode()).digest()
    return base64.urlsafe_b64encode(hashed[: len(hashed) // 2]).rstrip(b"=").decode()


def _may_act(authorized: Authorized, client: Client) -> Actor | None:
    """Who may act for a person by a token of this client. An exchanged token is not handed on in this way."""
    if client.may_act is None or authorized.grant_id is None or authorized.issued_token_type is not None:
        return None
    return Actor(client.may_act)
