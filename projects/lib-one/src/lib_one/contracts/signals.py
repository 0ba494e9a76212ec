"""Facts about shared signals: what systems outside are told, and what they tell (OpenID Shared Signals Framework)."""

from lib_one.contracts.auth import AuthFact
from lib_one.event import contract


@contract("signal_stream.changed.v1")
class SignalStreamChanged(AuthFact, frozen=True, kw_only=True):
    """A stream of signals to a receiver began, has another status, or ended."""

    stream_id: str
    client_id: str
    """The receiver."""
    status: str
    """`enabled`, `paused`, `disabled`, or `deleted`."""
    by_receiver: bool
    """Whether the receiver wanted it so."""

    def subject(self) -> str:
        return self._subject("signal_stream", "changed")

    def aggregate(self) -> str:
        return self.stream_id


@contract("signal.refused.v1")
class SignalRefused(AuthFact, frozen=True, kw_only=True):
    """A receiver said of a signal that it is no good; it is not sent again."""

    signal_id: str
    stream_id: str
    client_id: str
    error: str
    """The error code of RFC 8935 section 2.4, or `other`."""

    def subject(self) -> str:
        return self._subject("signal", "refused")

    def aggregate(self) -> str:
        return self.signal_id


@contract("signal.received.v1")
class SignalReceived(AuthFact, frozen=True, kw_only=True):
    """Another issuer told something about a person; a `SubjectRevoked` goes with it."""

    user_id: str
    issuer: str
    event_type: str
    """As the other issuer names it: a URI."""

    def subject(self) -> str:
        return self._subject("user", "signal_received")

    def aggregate(self) -> str:
        return self.user_id
