"""What a token of somebody else must say to be believed (RFC 8417, SSF 1.0 section 4), and whom it means."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from auth_svc import users
from auth_svc.db import Connection
from auth_svc.keys import Jws, MalformedJwsError, parse_jws
from auth_svc.signals.events import ACCOUNT_DISABLED, CREDENTIAL_CHANGE, SESSION_REVOKED, TOKEN_TYPE
from auth_svc.signals.upstreams import Upstream
from auth_svc.subjects import Email, IssSub

ENDING: Final = frozenset({SESSION_REVOKED, CREDENTIAL_CHANGE, ACCOUNT_DISABLED})
"""What ends the sign-ins and tokens of a person here. Everything else is taken, and nothing follows."""
OLDEST: Final = timedelta(days=30)
"""Older tokens are refused: so long is remembered which were taken."""
SKEW: Final = timedelta(minutes=1)
"""How far the clock of the other issuer may be ahead."""
_TYPES: Final = frozenset({TOKEN_TYPE, f"application/{TOKEN_TYPE}"})


class SignalError(Exception):
    """A token that is not taken; the code is one of RFC 8935 section 2.4."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description

    @property
    def told(self) -> dict[str, str]:
        """What its sender is told."""
        return {"err": self.code, "description": self.description}


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a security event token."""

    iss: str
    jti: str
    iat: int
    aud: str | tuple[str, ...]
    events: dict[str, dict[str, Any]]
    sub_id: Any = None

    @property
    def kind(self) -> str:
        """The type of its event."""
        return next(iter(self.events))


class _Complex(msgspec.Struct, frozen=True, tag_field="format", tag="complex"):
    user: IssSub | Email


_decode = msgspec.json.Decoder(Incoming).decode


def take_apart(token: bytes, upstreams: Mapping[str, Upstream]) -> tuple[Jws, Incoming, Upstream]:
    """Read a token, and find who is to have signed it. Nothing in it may be believed yet.

    Raises:
        SignalError: it is none, or of nobody who is listened to.
    """
    try:
        jws = parse_jws(token)
        kind = jws.header.get("typ")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise SignalError("invalid_request", "The token is not typed as a security event token.")
        claims = _decode(jws.payload)
    except (MalformedJwsError, ValueError, RecursionError) as error:
        raise SignalError("invalid_request", "The body is not a security event token.") from error
    if not claims.jti or len(claims.events) != 1:
        raise SignalError("invalid_request", "The token has no jti, or not exactly one event.")
    upstream = upstreams.get(claims.iss)
    if upstream is None:
        raise SignalError("invalid_issuer", "Tokens of this issuer are not taken here.")
    if jws.algorithm not in upstream.algorithms:
        raise SignalError("invalid_key", "The token is signed by an algorithm that its issuer may not use.")
    return jws, claims, upstream


def check(claims: Incoming, upstream: Upstream, *, now: datetime) -> None:
    """Look whether a token that its issuer signed is meant for us, and of these days.

    Raises:
        SignalError: it is not.
    """
    audiences = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if upstream.audience not in audiences:
        raise SignalError("invalid_audience", "The token is for somebody else.")
    moment = now.timestamp()
    if not moment - OLDEST.total_seconds() < claims.iat <= moment + SKEW.total_seconds():
        raise SignalError("invalid_request", "The token is too old, or from the future.")


def people_of(connection: Connection, claims: Incoming, upstream: Upstream) -> list[str]:
    """Whom a token is about, by user id; nobody for names that are not known here, or not understood.

    Of a subject with several members (SSF 1.0 section 3.3) the person counts: which of their sessions is meant there
    says nothing here, so all of them are. An address that several people have typed means each of them, since nobody
    may keep a stranger's news from them by typing theirs.
    """
    try:
        named: Any = msgspec.convert(claims.sub_id, IssSub | Email | _Complex)
    except msgspec.ValidationError:
        return []
    if isinstance(named, _Complex):
        named = named.user
    if isinstance(named, Email):
        # With names of its own an issuer speaks of nobody else.
        meant = upstream.subjects is None and _plain(named.email)
        return users.ids_by_email(connection, named.email) if meant else []
    if named.iss != upstream.issuer:
        return []
    name = named.sub if upstream.subjects is None else upstream.subjects.get(named.sub)
    user = users.find_by_username(connection, name) if name is not None and _plain(name) else None
    return [] if user is None else [user.user_id]


def _plain(name: str) -> bool:
    return name.isprintable()  # PostgreSQL could not even look for a NUL
