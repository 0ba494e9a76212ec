"""User codes, and what a device is that waits (RFC 8628). Pure."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from auth_svc.approvals import Approval, Status
from auth_svc.resources import Detail
from auth_svc.signin import Limit

ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come out; no digits, so that nothing looks like something else (RFC 8628 section 6.1)."""
LENGTH: Final = 8
"""20^8 is 2.6e10: with `GUESSES` and the life of ten minutes, nobody finds one by trying (section 5.1)."""
GUESSES: Final = Limit(10, timedelta(minutes=1))
"""Wrong user codes that one person may enter."""
BEGUN_FROM_ONE_ADDRESS: Final = Limit(30, timedelta(seconds=20))
"""Devices that one client may begin from one address: thirty at once, then three a minute."""
BEGUN_IN_ALL: Final = Limit(1000, timedelta(seconds=1))
"""Devices that everybody may begin together. Anybody may ask, and each is a row: this bounds the table."""


@dataclass(frozen=True)
class Device:
    """A device that waits for its person, as it is kept."""

    device_id: str
    client_id: str
    scope: tuple[str, ...]
    """What it asked for and its client may have."""
    resource: tuple[str, ...]
    details: tuple[Detail, ...]
    """What it wants, in detail (RFC 9396)."""
    status: Status
    approval: Approval | None
    interval: timedelta
    polled_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime
    used: bool

    def waits(self, now: datetime) -> bool:
        """Whether a person can still decide."""
        return self.status == "pending" and now < self.expires_at


def new_user_code() -> str:
    """A fresh user code, without the dash."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def read_user_code(typed: str) -> str | None:
    """What somebody typed, as a user code: any case, with or without dash and spaces. None if it cannot be one."""
    code = "".join(letter for letter in typed.upper() if letter not in " -–—_.")
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None


def show_user_code(code: str) -> str:
    """As people read it: `WDJB-MJHT`."""
    return f"{code[:4]}-{code[4:]}"
