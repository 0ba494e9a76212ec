"""What an operator asks of the authorization server: end what was issued, and say who refuses it.

This module is on the path of commands that must start fast: msgspec is imported when needed.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lib_two.session import Session

SCOPE = "admin"
"""The scope of operators."""
LONGEST_WAIT = 30.0
"""Seconds that the authorization server waits for others, at most."""
_ANSWER = 10.0


class Kind(StrEnum):
    """What can be ended."""

    TOKEN = "token"
    GRANT = "grant"
    SESSION = "session"
    SUBJECT = "subject"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Guarded:
    """One running service that checks tokens."""

    name: str
    id: str
    version: str
    after_ms: float | None
    """Milliseconds after the commit by which it refused what was ended; None: it had not confirmed that in time."""


@dataclass(frozen=True, slots=True)
class Report:
    """It is ended, and this is how far that is known."""

    kind: Kind
    id: str
    """What was ended: of a person always the `sub`."""
    sequence: int | None
    """Its place in the stream of revocations; None: the bus did not tell of it in time."""
    complete: bool
    """Whether the bus told of it, and every service that answered refuses it."""
    services: tuple[Guarded, ...]
    answer: dict[str, Any] = field(default_factory=dict)
    """The answer as it came."""


async def revoke(session: "Session", kind: Kind, id_: str, *, wait: float = 0) -> Report:
    """End it: tokens are refused, refresh tokens and sign-ins are void.

    Args:
        session: An operator's.
        kind: What it is.
        id_: A `jti`, a `grant_id`, a `sid`, a `sub` (or a user name), a `client_id`.
        wait: Seconds to wait for the services that check tokens, `LONGEST_WAIT` at most.

    Raises:
        ApiError: no operator (403), or nothing has this id (404).
        TransportError: no answer (of `lib_one.http`): whether it was ended is not known. It may be asked again.
        TokenError: and what else `Session.request` raises.
        MsgspecError: the answer cannot be read.
    """
    import msgspec

    answer = await session.request(
        "POST",
        f"{session.issuer.rstrip('/')}/admin/revocations",
        content=msgspec.json.encode({"kind": kind.value, "id": id_, "wait": wait}),
        headers={"content-type": "application/json"},
        timeout=wait + _ANSWER,
    )
    told = msgspec.json.decode(answer.content)
    return replace(msgspec.convert(told, Report), answer=told)
