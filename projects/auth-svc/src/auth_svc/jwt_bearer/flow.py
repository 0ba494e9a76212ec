"""What an assertion must say to be believed (RFC 7523 section 3, RFC 7521 section 5.2). Pure.

Stricter than the RFC: `jti` and `iat` are required, an assertion lives for five minutes at most, and `aud` is this
issuer's identifier and nothing else (draft-ietf-oauth-rfc7523bis), so that what was meant for another server, or for
several, is not taken here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from auth_svc.errors import InvalidGrant
from auth_svc.jwt_bearer.issuers import TrustedIssuer
from auth_svc.keys import Jws, MalformedJwsError, parse_jws

LONGEST_LIFE: Final = timedelta(minutes=5)
SKEW: Final = timedelta(seconds=10)
"""How far the clock of the other issuer may be ahead."""
_TYPES: Final = frozenset({"jwt", "authorization-grant+jwt"})
"""Explicit typing keeps logout tokens, proofs and access tokens of the same issuer out (RFC 8725 section 3.11)."""


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an assertion."""

    iss: str
    sub: str
    aud: str
    exp: int
    iat: int
    jti: str
    nbf: int = 0
    auth_time: int | None = None

    @property
    def expires_at(self) -> datetime:
        """`exp`."""
        return datetime.fromtimestamp(self.exp, UTC)

    @property
    def issued_at(self) -> datetime:
        """`iat`."""
        return datetime.fromtimestamp(self.iat, UTC)


_decode = msgspec.json.Decoder(Assertion).decode


def read_assertion(
    token: str, trusted: Mapping[str, TrustedIssuer], *, audience: str, now: datetime
) -> tuple[Assertion, TrustedIssuer]:
    """Read and check an assertion, and find who signed it.

    Raises:
        InvalidGrant: it is not to be believed.
    """
    try:
        jws = parse_jws(token)
        claims = _decode(jws.payload)
    except (MalformedJwsError, ValueError, RecursionError) as error:
        raise InvalidGrant("malformed assertion") from error
    issuer = trusted.get(claims.iss)
    if issuer is None:
        raise InvalidGrant("assertion of an issuer that is not trusted")
    _check_signature(jws, issuer)
    moment = now.timestamp()
    soon = moment + SKEW.total_seconds()
    if claims.aud != audience:
        raise InvalidGrant("assertion for another audience")
    if not moment < claims.exp <= soon + LONGEST_LIFE.total_seconds():
        raise InvalidGrant("assertion expired, or good for too long")
    # A negative or a huge time would be no date.
    if not 0 <= claims.nbf <= soon or not 0 <= claims.iat <= soon:
        raise InvalidGrant("assertion from the future")
    if claims.auth_time is not None and not 0 <= claims.auth_time <= soon:
        raise InvalidGrant("assertion of a sign-in in the future")
    if not claims.jti:
        raise InvalidGrant("assertion with an empty jti")
    return claims, issuer


def _check_signature(jws: Jws, issuer: TrustedIssuer) -> None:
    kind = jws.header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or not issuer.signed(jws):
        raise InvalidGrant("assertion of another type or algorithm, or with a signature of none of its issuer's keys")
