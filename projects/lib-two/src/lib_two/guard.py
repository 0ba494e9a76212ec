"""The guard of a resource server: from the token that came with a request to a principal, or a refusal.

A token that was seen before, while the revocation view is fresh, costs a few look-ups and no I/O. When the view cannot
know, the issuer is asked; when the issuer does not answer either, the request is refused with 503. It is never accepted
in doubt, unless a route says so itself, within a bound (`accept_within`).
"""

import re
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lib_one import http as web
from lib_one.event import Now, utc_now
from lib_two.errors import CannotKnow, InsufficientAuthentication, InvalidToken, IssuerUnavailable
from lib_two.introspection import Introspection
from lib_two.metadata import IssuerMetadata
from lib_two.possession import Possession, Shown
from lib_two.revocation import RevocationView
from lib_two.validation import LEEWAY, Claims, claims_of, parse, validate

COUNTED = ("seen", "validated", "introspected", "revoked", "cannot_know", "accepted_in_doubt")
"""How checks were decided, in `Guard.status`."""
SEEN = 10_000
"""Tokens remembered as valid, at most: about 35 MB if it is full. They are found by themselves: a digest would cost
half as much as all the rest of a check, and hide little in a process that all tokens come through."""


_OPAQUE = re.compile(r"[A-Za-z0-9~+/_-]{1,1024}=*")
"""The form of a token of RFC 6750 section 2.1, without a dot: what has dots is a JWT."""


LONGEST_DOUBT = timedelta(minutes=5)
"""The longest bound of `accept_within`."""


class InDoubt(msgspec.Struct, frozen=True):
    """What becomes of a request while the revocation view is not fresh."""

    ask: bool = True
    """Whether the issuer is asked."""
    accept_within: timedelta | None = None
    """If it does not answer: accepted, as long as the view was whole so short a time ago. None: never."""


ASK = InDoubt()
"""The issuer is asked, and without an answer the request is refused. What holds unless a route says otherwise."""
REFUSE = InDoubt(ask=False)
"""Refused at once: the route neither waits for the issuer nor burdens it."""


def accept_within(bound: timedelta) -> InDoubt:
    """The issuer is asked, and if it does not answer either the token is accepted for a while.

    So no revocation that is older than `bound` is ever missed; a younger one may be. For routes that had better answer
    a person who was just signed out than nobody.

    Raises:
        ValueError: the bound is longer than `LONGEST_DOUBT`.
    """
    if not timedelta(0) < bound <= LONGEST_DOUBT:
        raise ValueError(f"the bound must be positive and at most {LONGEST_DOUBT}")
    return InDoubt(accept_within=bound)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asking, with what rights: what a checked access token comes to."""

    subject: str
    """A user's id, or the client's own id for client credentials."""
    client_id: str
    """The client that the token was issued to."""
    scopes: frozenset[str]
    """What the token allows."""
    roles: frozenset[str]
    """The person's roles when it was issued; none for client credentials."""
    session_id: str | None
    """The sign-in that it came of (`sid`); None for client credentials."""
    grant_id: str | None
    """The consent that it came of; None for client credentials."""
    token_id: str
    """Its `jti`."""
    expires_at: datetime
    """Aware, in UTC."""
    claims: Claims
    """All that was validated."""


class _Seen:
    """A token that was found to be valid."""

    __slots__ = ("changes", "good_until", "principal")

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.good_until = principal.expires_at + LEEWAY
        self.changes = -1
        """The view's `changes` when it was last looked up there, and was not revoked; none yet."""


class Guard:
    """Checks access tokens for one resource. Belongs to one event loop.

    Args:
        issuer: Whose tokens are taken.
        audience: Our resource identifier.
        view: The revocation view, fed elsewhere (`view.run(connection)`).
        http: Used, not owned.
        client_id: As whom to introspect.
        client_secret: Its secret.
        now: The clock for `exp`, `iat` and their kin.
        nonce_key: With a key, proofs of bound tokens must repeat a nonce of ours (RFC 9449 section 9); 32 random bytes,
            the same in every process of the resource server.
        opaque: Whether tokens may be opaque: then the issuer is asked what an unknown one means, once. Without it such
            a token is refused at once, so that strangers cannot make us ask.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        view: RevocationView,
        http: web.AsyncClient,
        client_id: str,
        client_secret: str,
        now: Now = utc_now,
        metadata: IssuerMetadata | None = None,
        nonce_key: bytes | None = None,
        opaque: bool = False,
    ) -> None:
        self.view = view
        self.metadata = metadata or IssuerMetadata(issuer, http, now=now)
        self._issuer = issuer
        self._audience = audience
        self._opaque = opaque
        self._now = now
        self._introspection = Introspection(self.metadata, http, client_id=client_id, client_secret=client_secret)
        self.possession = Possession(audience, nonce_key=nonce_key)
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._counts = dict.fromkeys(COUNTED, 0)

    async def check(self, shown: Shown | str, *, in_doubt: InDoubt = ASK) -> Principal:
        """The principal behind the token that was shown; a token alone is one that came as `Bearer`.

        `in_doubt` is what becomes of it while the view cannot know whether it was revoked.

        Raises:
            InvalidToken: it does not hold, or it is bound to a key and was shown without (RFC 9449 section 7.2).
            InvalidProof: the proof that must come with a bound token is not good.
            NonceNeeded: that proof lacks the nonce that it must have.
            CannotKnow: it may hold, but neither the bus nor the issuer can be asked.
        """
        token, scheme = (shown, "bearer") if isinstance(shown, str) else (shown.token, shown.scheme)
        principal = await self.check_again(token, in_doubt=in_doubt)
        confirmation = principal.claims.confirmation
        if scheme != "bearer" or confirmation is not None:
            shown = Shown(token=token) if isinstance(shown, str) else shown
            self.possession.check(shown, confirmation, now=self._now())
        return principal

    async def check_again(self, token: str, *, in_doubt: InDoubt = ASK) -> Principal:
        """The principal behind a token that `check` let in before: whether it still holds, on a connection that stays.

        Raises:
            InvalidToken: it does not hold.
            CannotKnow: it may hold, but neither the bus nor the issuer can be asked.
        """
        seen = self._seen.get(token)
        if seen is None:
            seen = self._seen[token] = _Seen(await self._first(token))
            if len(self._seen) > SEEN:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(token)
            self._counts["seen"] += 1
        principal, view = seen.principal, self.view
        if seen.good_until <= self._now():
            del self._seen[token]
            raise InvalidToken("The access token has expired.")
        if seen.changes != view.changes:  # else nothing came in since it was found to be good
            if view.revoked(principal.claims):
                self._counts["revoked"] += 1
                raise InvalidToken("The access token was revoked.")
            seen.changes = view.changes
        if not view.fresh():
            await self._judge(token, principal, in_doubt)
        return principal

    def check_sign_in(self, principal: Principal, *, max_age: timedelta | None, acr_values: tuple[str, ...]) -> None:
        """That the person signed in recently, and in one of these authentication contexts (RFC 9470).

        Raises:
            InsufficientAuthentication: no; a token of client credentials, which knows of no sign-in, included.
        """
        claims = principal.claims
        recent = max_age is None or (
            claims.auth_time is not None and self._now() - claims.auth_time <= max_age + LEEWAY
        )
        if not recent or (acr_values and claims.acr not in acr_values):
            raise InsufficientAuthentication(max_age=max_age, acr_values=acr_values)

    async def _first(self, token: str) -> Principal:
        """Validate a token that is not known yet."""
        if self._opaque and _OPAQUE.fullmatch(token):
            return _principal(await self._asked(token))
        self._counts["validated"] += 1
        unverified = parse(token)
        try:
            key = await self.metadata.key(unverified.key_id)
        except IssuerUnavailable as error:
            self._counts["cannot_know"] += 1
            raise CannotKnow(str(error)) from error
        if key is None:
            raise InvalidToken(detail="the issuer has no such key")
        claims = validate(unverified, key=key, issuer=self._issuer, audience=self._audience, now=self._now())
        return _principal(claims)

    async def _asked(self, token: str) -> Claims:
        """What the issuer says of an opaque token. From then on the revocation view judges it like any other."""
        found = await self._introspect(token)
        if found is None:
            raise InvalidToken(detail="the issuer says that it does not hold")
        return claims_of(found, key_id="", issuer=self._issuer, audience=self._audience, now=self._now())

    async def _judge(self, token: str, principal: Principal, in_doubt: InDoubt) -> None:
        """Let a token pass that the view cannot judge, or raise."""
        try:
            if not in_doubt.ask:
                raise CannotKnow("the view is not fresh, and this route does not ask")
            await self._ask(token, principal)
        except CannotKnow:
            doubt, bound = self.view.doubt, in_doubt.accept_within
            if bound is None or doubt is None or doubt > bound or self.view.revoked(principal.claims):
                raise
            self._counts["accepted_in_doubt"] += 1

    async def _introspect(self, token: str) -> bytes | None:
        self._counts["introspected"] += 1
        try:
            return await self._introspection.claims(token)
        except IssuerUnavailable as error:
            self._counts["cannot_know"] += 1
            raise CannotKnow(str(error)) from error

    async def _ask(self, token: str, principal: Principal) -> None:
        active = await self._introspect(token) is not None
        # While the issuer was asked, the bus may have told us.
        if not active or self.view.revoked(principal.claims):
            raise InvalidToken("The access token was revoked or has expired.")

    async def ready(self) -> bool:
        """True if requests can be decided: the first replay is complete, or the issuer answers."""
        if self.view.replayed:
            return True
        try:
            await self._introspection.active("ready?")
        except IssuerUnavailable:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """For `/ready` and metrics: the view's status, and what was decided how since the start."""
        return {**self.view.status(), "checks": dict(self._counts), "remembered": len(self._seen)}


def _principal(claims: Claims) -> Principal:
    return Principal(
        subject=claims.subject,
        client_id=claims.client_id,
        scopes=claims.scopes,
        roles=claims.roles,
        session_id=claims.session_id,
        grant_id=claims.grant_id,
        token_id=claims.token_id,
        expires_at=claims.expires_at,
        claims=claims,
    )
