"""The bus with an access token: how whoever has a session gets in (docs: the door of the bus).

A bound token comes with a proof (RFC 9449 section 4.2) for the method `CONNECT`, the address of the bus, and the nonce
that its server gave to this one connection, so each connection needs a new one.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lib_one.errors import BusUnavailableError
from lib_one.nats.addresses import is_guarded

if TYPE_CHECKING:
    from lib_one.nats.guest import Guest

METHOD = "CONNECT"
"""What a proof names as the method (`htm`): the command of the NATS protocol that it comes with."""


class Pass(NamedTuple):
    """What is shown at the door of the bus."""

    token: str
    expires_at: datetime | None
    prove: Callable[[str, str], str] | None = None
    """Of a bound token: makes the proof for an address and a nonce."""


async def enter[T](
    shown: Pass, addresses: Sequence[str], subjects: Sequence[str], begin: Callable[["Guest"], Awaitable[T]]
) -> "tuple[Guest, T]":
    """Connect at the first address that lets us in and where `begin` succeeds, and listen to `subjects`.

    An address at which the token would go over a network in the clear is passed over, whoever has told it.

    Raises:
        BusUnavailableError: there is none.
    """
    from lib_one.nats.guest import Guest

    reason = BusUnavailableError("no address")
    for address in addresses:
        if not is_guarded(address):
            reason = BusUnavailableError(f"{address}: the token would be sent in the clear")
            continue
        guest = Guest()
        sign = None if shown.prove is None else partial(shown.prove, address)
        try:
            await guest.enter(address, token=shown.token, subjects=subjects, sign=sign)
            return guest, await begin(guest)
        except BusUnavailableError as error:
            reason = error
            await guest.close()
        except BaseException:
            await guest.close()
            raise
    raise reason
