"""What is delivered, and when it is tried again. Pure."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import msgspec

FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One POST to a client. Any 2xx means that it has arrived."""

    url: str
    headers: Mapping[str, str]
    body: bytes


type Compose = Callable[[bytes], Message | None]
"""Makes the message from the payload that was posted; None if there is nobody to tell any more."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is to be delivered, as it is kept."""

    delivery_id: str
    kind: str
    client_id: str
    payload: bytes
    attempts: int
    """How many have failed."""


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many failures: five seconds, doubled each time, at most an hour."""
    return min(LONGEST_WAIT, FIRST_WAIT * (1 << min(attempts - 1, 20)))
