"""What is delivered. Pure."""

from collections.abc import Callable, Mapping

import msgspec


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

    @property
    def receiver(self) -> str:
        """Whom it is for."""
        return self.client_id
