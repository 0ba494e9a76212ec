"""What a receiver says of a signal that it does not take (RFC 8935 section 2.4, RFC 8936 section 2.6)."""

from typing import Final

import msgspec

from auth_svc.db import Connection, Ledger
from auth_svc.signals import store
from lib_one.contracts.signals import SignalRefused

_FINAL: Final = frozenset({"invalid_request", "invalid_issuer", "invalid_audience", "invalid_state"})
_PASSING: Final = frozenset({"invalid_key", "authentication_failed", "access_denied"})
"""Of the receiver's set-up, or of keys that it has yet to fetch: not of this signal."""


class SignalProblem(msgspec.Struct, frozen=True):
    """An error as receivers send it."""

    err: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the same signal would be refused again, so that it must not hold up those behind it."""
        return self.err not in _PASSING

    @property
    def code(self) -> str:
        """`err` if it is a word of the specifications: what strangers write goes into no event."""
        return self.err if self.err in _FINAL | _PASSING else "other"


def settle(
    connection: Connection, stream: store.Stream, signal_id: str, problem: SignalProblem, *, ledger: Ledger
) -> None:
    """Forget a signal that was refused, and record that it was."""
    for refused in store.taken(connection, stream.stream_id, [signal_id]):
        ledger.outbox.record(
            connection,
            SignalRefused(
                signal_id=refused, stream_id=stream.stream_id, client_id=stream.client_id, error=problem.code
            ),
        )
