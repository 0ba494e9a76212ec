"""Who is admitted to the bus with which permissions: the rule, without I/O."""

from collections.abc import Collection
from typing import NamedTuple, Protocol, Self

import msgspec

from auth_svc.bus_admission.rights import RIGHTS
from auth_svc.token import Traced
from lib_one.contracts.revocation import (
    ClientRevoked,
    GrantRevoked,
    KeyDistrusted,
    SessionRevoked,
    SubjectRevoked,
    TokenRevoked,
)
from lib_one.event import Contract


class Shown(Traced, Protocol):
    """What an access token says."""

    @property
    def scopes(self) -> Collection[str]: ...
    @property
    def audiences(self) -> Collection[str]: ...


class Guest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose token a connection came in with: the server keeps it as the connection's name, so it has no secrets."""

    jti: str
    subject_id: str
    client_id: str
    iat: int
    exp: int
    grant_id: str | None = None
    sid: str | None = None

    @classmethod
    def of(cls, claims: Shown) -> Self:
        """Whose token this is."""
        return cls(claims.jti, claims.subject_id, claims.client_id, claims.iat, claims.exp, claims.grant_id, claims.sid)

    def encode(self) -> str:
        """The connection's name."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, name: str) -> Self | None:
        """The guest of a connection with this name; None for a service."""
        try:
            return msgspec.json.decode(name, type=cls)
        except msgspec.DecodeError:
            return None


class Permissions(NamedTuple):
    """Subjects to publish and to subscribe to. All others are denied."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def permissions(claims: Shown, *, app_svc: str, auth_svc: str) -> Permissions | None:
    """What a token opens, for the identifiers of the two services; None if that is nothing."""
    owners = {"app-svc": app_svc, "auth-svc": auth_svc}
    rows = [right for right in RIGHTS if right.scope in claims.scopes and owners[right.owner] in claims.audiences]
    if not rows:
        return None
    publish = dict.fromkeys(subject for right in rows for subject in right.publish)
    subscribe = dict.fromkeys(subject for right in rows for subject in right.subscribe)
    return Permissions(tuple(publish), tuple(subscribe))


def ends(fact: Contract, guest: Guest) -> bool:
    """Whether a revocation concerns the token that a guest came in with.

    A distrusted key may have signed it or not: everybody comes in again, who can.
    """
    match fact:
        case TokenRevoked():
            return fact.token_id == guest.jti
        case GrantRevoked():
            return fact.grant_id == guest.grant_id
        case SessionRevoked():
            return fact.session_id == guest.sid
        case SubjectRevoked():
            return fact.subject_id == guest.subject_id and guest.iat <= fact.not_before.timestamp()
        case ClientRevoked():
            return fact.client_id == guest.client_id and guest.iat <= fact.not_before.timestamp()
        case KeyDistrusted():
            return True
        case _:
            return False
