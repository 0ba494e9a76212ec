"""What is told, and in which words: security event tokens (RFC 8417; SSF, CAEP and RISC 1.0). Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from lib_one.event import new_id

PUSH: Final = "urn:ietf:rfc:8935"
POLL: Final = "urn:ietf:rfc:8936"

_CAEP: Final = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC: Final = "https://schemas.openid.net/secevent/risc/event-type/"
_SSF: Final = "https://schemas.openid.net/secevent/ssf/event-type/"

SESSION_REVOKED: Final = f"{_CAEP}session-revoked"
CREDENTIAL_CHANGE: Final = f"{_CAEP}credential-change"
TOKEN_CLAIMS_CHANGE: Final = f"{_CAEP}token-claims-change"
ACCOUNT_DISABLED: Final = f"{_RISC}account-disabled"
ACCOUNT_ENABLED: Final = f"{_RISC}account-enabled"
ACCOUNT_PURGED: Final = f"{_RISC}account-purged"
VERIFICATION: Final = f"{_SSF}verification"
STREAM_UPDATED: Final = f"{_SSF}stream-updated"

SUPPORTED: Final = (
    SESSION_REVOKED,
    CREDENTIAL_CHANGE,
    TOKEN_CLAIMS_CHANGE,
    ACCOUNT_DISABLED,
    ACCOUNT_ENABLED,
    ACCOUNT_PURGED,
)
"""What a receiver can ask for. The two about the stream itself come without being asked for."""

MEDIA_TYPE: Final = "application/secevent+jwt"
TOKEN_TYPE: Final = "secevent+jwt"
ALGORITHM: Final = "RS256"
"""The one that every receiver understands (CAEP Interoperability Profile section 2.6)."""

type SubjectIdentifier = dict[str, Any]
"""RFC 9493, as it stands in a token."""


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a security event token (SSF 1.0 section 4). There is never a `sub` or an `exp`."""

    iss: str
    jti: str
    iat: int
    aud: str
    txn: str
    """Names the cause: the same in every token that tells of it, and the id of the fact in the audit trail."""
    sub_id: SubjectIdentifier
    events: dict[str, dict[str, Any]]
    """One, by its type."""


def security_event(
    kind: str,
    *,
    issuer: str,
    audience: str,
    at: datetime,
    subject: SubjectIdentifier,
    about: Mapping[str, Any],
    cause: str | None = None,
) -> SecurityEvent:
    """Say that something happened; `about` are the claims of the event."""
    return SecurityEvent(
        iss=issuer,
        jti=new_id(),
        iat=int(at.timestamp()),
        aud=audience,
        txn=cause or new_id(),
        sub_id=subject,
        events={kind: dict(about)},
    )


def person(issuer: str, subject: str, *, session_id: str | None = None) -> SubjectIdentifier:
    """A person as a receiver knows them (RFC 9493 section 3.2.3), or one sign-in of theirs (SSF 1.0 section 3.3)."""
    user = {"format": "iss_sub", "iss": issuer, "sub": subject}
    if session_id is None:
        return user
    return {"format": "complex", "user": user, "session": {"format": "opaque", "id": session_id}}


def stream_itself(stream_id: str) -> SubjectIdentifier:
    """The subject of events about a stream (SSF 1.0 sections 8.1.4.1 and 8.1.5)."""
    return {"format": "opaque", "id": stream_id}


def delivered(requested: Iterable[str] | None) -> tuple[str, ...]:
    """What a stream delivers of what was asked for; unknown ones are passed over (SSF 1.0 section 8.1.1)."""
    wanted = frozenset(requested or ())
    return tuple(kind for kind in SUPPORTED if kind in wanted)
