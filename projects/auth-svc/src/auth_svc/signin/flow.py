"""What a session, an errand and a limit on guessing are. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

import msgspec

from auth_svc.users import User

PASSWORD: Final = ("pwd",)
"""`amr` of a sign-in by password (RFC 8176 section 2)."""

_BY_PASSWORD: Final = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
ACR_VALUES: Final = (_BY_PASSWORD,)
"""The authentication contexts that a sign-in here can reach: absolute URIs, as OIDC Core section 2 wants them."""


def acr_of(amr: tuple[str, ...]) -> str | None:
    """The authentication context of a sign-in by these methods."""
    return _BY_PASSWORD if "pwd" in amr else None


@dataclass(frozen=True)
class Session:
    """One sign-in of one person in one browser."""

    session_id: str
    """Public id, `sid` in tokens. The secret in the cookie is something else."""
    user_id: str
    auth_time: datetime
    amr: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True)
class SignedIn:
    """A live session and its person."""

    session: Session
    user: User


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser was about when it was sent to sign in. It travels sealed: nobody can choose where we redirect."""

    path: str
    """Local path, with its query, to go on to."""
    client_name: str | None = None
    """The application that the person comes from."""
    username: str | None = None
    """Suggested user name: `login_hint`, or that of the person who is to confirm who they are."""
    form_target: str | None = None
    """CSP source of the place where the road after the sign-in form may end."""
    again: bool = False
    """Ask for the password even if somebody is signed in."""
    create: bool = False
    """Begin with a new account (`prompt=create`)."""


HOME: Final = Errand(path="/")


# --- limits on guessing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limit:
    """`burst` attempts at once, and a new one after each `interval`."""

    burst: int
    interval: timedelta

    def take(self, drained_until: datetime | None, now: datetime) -> datetime | timedelta:
        """Take one attempt (generic cell rate algorithm).

        `drained_until` is when the limit is whole again, None if it was never used. Returns its new value, or how long
        to wait if there is no attempt left.
        """
        start = now if drained_until is None else max(drained_until, now)
        wait = start + self.interval - now - self.burst * self.interval
        return wait if wait > timedelta() else start + self.interval


FROM_KNOWN_BROWSER: Final = Limit(10, timedelta(minutes=1))
"""Guesses at an account from a browser where its owner has signed in before. Strangers cannot drain this one."""
FROM_ONE_ADDRESS: Final = Limit(10, timedelta(minutes=1))
"""Guesses at one account from one address: slower than `AT_ONE_ACCOUNT` fills up, so one address cannot drain that."""
AT_ONE_ACCOUNT: Final = Limit(100, timedelta(seconds=36))
"""Guesses at one account from unknown browsers everywhere: 100 an hour (NIST SP 800-63B section 3.2.2)."""
BY_ONE_ADDRESS: Final = Limit(30, timedelta(seconds=20))
"""Failures from one address at whatever accounts: one password tried on many people."""
NEW_ACCOUNTS: Final = Limit(20, timedelta(minutes=3))
"""Attempts of one address to make an account: twenty at once, then twenty an hour."""


def network_of(address: str) -> str:
    """The part of an address that one household or attacker holds: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
