"""Software statements (RFC 7591 section 2.3): somebody whom the operator trusts says what a piece of software is.

It is a JWT with metadata of the client as claims. They win over what the client says beside it (section 3.1.1). Who may
say so stands in a JSON file that an operator writes, read at start:

[{"issuer": "https://directory.example", "jwks": {"keys": [{"kty": "EC", …}]}}]
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from auth_svc.errors import OAuthError
from auth_svc.keys import FOREIGN_ALGORITHMS, MalformedJwsError, SigningIssuer, parse_jws, read_issuers

SKEW: Final = timedelta(seconds=10)
"""How far the clock of the issuer may be ahead."""


class InvalidSoftwareStatement(OAuthError):  # noqa: N818 - errors have the RFC's names
    """RFC 7591 section 3.2.2: a software statement that is not good, or none where one is required."""

    code = "invalid_software_statement"
    description = "The software statement is missing, malformed, expired or not signed by its issuer."


class UnapprovedSoftwareStatement(OAuthError):  # noqa: N818 - errors have the RFC's names
    """RFC 7591 section 3.2.2: a software statement that may be good, and is not for this server to believe."""

    code = "unapproved_software_statement"
    description = "The software statement is of an issuer that is not trusted here, or for another server."


class SoftwareIssuer(SigningIssuer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may say what a piece of software is."""

    # Section 2.3 recommends RS256.
    algorithms: tuple[str, ...] = (*FOREIGN_ALGORITHMS, "RS256")


class SoftwareStatement(NamedTuple):
    """A statement that is believed."""

    token: str
    """As it came: it is told again unmodified (section 3.2.1)."""
    claims: dict[str, Any]


class _Frame(msgspec.Struct, frozen=True):
    iss: str
    aud: str | tuple[str, ...] | None = None
    exp: float | None = None
    nbf: float = 0


_frame = msgspec.json.Decoder(_Frame).decode
_claims = msgspec.json.Decoder(dict[str, Any]).decode


class SoftwareStatements:
    """Reads statements. Where nobody is trusted to make them, they are ignored (section 3.1.1)."""

    def __init__(
        self, trusted: Mapping[str, SoftwareIssuer], *, issuer: str, required: bool, now: Callable[[], datetime]
    ) -> None:
        """`issuer` is who a statement may be meant for; `required`, whether nobody registers without one."""
        self._trusted = trusted
        self._issuer = issuer
        self._required = required
        self._now = now

    def read(self, said: Mapping[str, Any]) -> SoftwareStatement | None:
        """The statement of a registration request; None if there is none, and none is needed.

        Raises:
            InvalidSoftwareStatement: it is missing, malformed, not signed by its issuer, or not good at this time.
            UnapprovedSoftwareStatement: its issuer is not trusted, or it is meant for another server.
        """
        if not self._trusted and not self._required:
            return None
        token = said.get("software_statement")
        if token is None:
            if self._required:
                raise InvalidSoftwareStatement("no software statement")
            return None
        if not isinstance(token, str):
            raise InvalidSoftwareStatement("no text")
        try:
            jws = parse_jws(token)
            frame, claims = _frame(jws.payload), _claims(jws.payload)
        except (MalformedJwsError, ValueError, RecursionError) as error:
            raise InvalidSoftwareStatement("malformed") from error
        trusted = self._trusted.get(frame.iss)
        if trusted is None:
            raise UnapprovedSoftwareStatement("of an issuer that is not trusted")
        # What the issuer signed for another purpose has another type (RFC 8725 section 3.11).
        kind = jws.header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower() != "jwt" or not trusted.signed(jws):
            raise InvalidSoftwareStatement("of another type, or with a signature of none of its issuer's keys")
        moment = self._now().timestamp()
        if (frame.exp is not None and moment >= frame.exp) or frame.nbf > moment + SKEW.total_seconds():
            raise InvalidSoftwareStatement("expired, or from the future")
        audience = (frame.aud,) if isinstance(frame.aud, str) else frame.aud
        if audience is not None and self._issuer not in audience:
            raise UnapprovedSoftwareStatement("for another audience")
        return SoftwareStatement(token, claims)


def read_software_issuers(file: Path | None) -> dict[str, SoftwareIssuer]:
    """Read the file: issuers by their name; nobody is trusted without one.

    Raises:
        TrustedIssuersError: unreadable, another shape, one issuer twice, or a key that is none.
    """
    return read_issuers(file, SoftwareIssuer)
