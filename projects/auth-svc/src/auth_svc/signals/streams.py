"""The verbs of streams: a receiver makes and changes its own, an operator stops and starts it. Each is part of a unit
of work.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.errors import AccessDenied, InvalidRequest, OAuthError, TooManyRequests
from auth_svc.signals import store
from auth_svc.signals.bell import Bell
from auth_svc.signals.description import MIN_VERIFICATION_INTERVAL, Description
from auth_svc.signals.events import STREAM_UPDATED, VERIFICATION, security_event, stream_itself
from lib_one.contracts.signals import SignalStreamChanged
from lib_one.event import new_id

KEPT: Final = timedelta(days=7)
"""A stream in which something waits for longer is disabled: nobody seems to be there."""


class UnknownStream(OAuthError):  # noqa: N818 - errors have the RFC's names
    """SSF 1.0 section 8.1: this receiver has no stream of this name."""

    code = "unknown_stream"
    status = 404
    description = "This receiver has no such stream."


class StreamExists(OAuthError):  # noqa: N818 - errors have the RFC's names
    """SSF 1.0 section 8.1.1.1: a receiver has one stream."""

    code = "stream_exists"
    status = 409
    description = "This receiver has a stream: change it, or delete it first."


class StreamStopped(AccessDenied):
    """SSF 1.0 section 8.1.2.2: the operator has stopped this stream."""

    status = 403
    description = "The operator has stopped this stream."


class Streams:
    """Makes, changes and ends streams."""

    def __init__(self, ledger: Ledger, bell: Bell, *, issuer: str) -> None:
        self._ledger = ledger
        self._bell = bell
        self._issuer = issuer

    def of(self, connection: Connection, client_id: str, *, stream_id: str | None) -> store.Stream:
        """The stream of a receiver; with `stream_id`, only if it has that name.

        Raises:
            UnknownStream: there is none.
        """
        stream = store.of_client(connection, client_id)
        if stream is None or (stream_id is not None and stream.stream_id != stream_id):
            raise UnknownStream
        return stream

    def create(self, connection: Connection, client: Client, wanted: Description) -> store.Stream:
        """Make a stream (SSF 1.0 section 8.1.1.1).

        Raises:
            StreamExists: the receiver has one.
        """
        stream = wanted.apply(store.Stream(stream_id=new_id(), client_id=client.client_id, method=""))
        if not store.create(connection, stream, now=self._ledger.now()):
            raise StreamExists
        self._record(connection, stream, stream.status, by_receiver=True)
        return stream

    def change(self, connection: Connection, stream: store.Stream, wanted: Description) -> store.Stream:
        """Change what the description names (SSF 1.0 sections 8.1.1.3 and 8.1.1.4)."""
        changed = msgspec.structs.replace(wanted.apply(stream), attempts=0)
        store.change(connection, changed)
        return changed

    def remove(self, connection: Connection, stream: store.Stream) -> None:
        """Forget a stream and all that waits in it (SSF 1.0 section 8.1.1.5)."""
        store.remove(connection, stream.stream_id)
        self._record(connection, stream, "deleted", by_receiver=True)

    def set_status(
        self, connection: Connection, stream: store.Stream, status: store.Status, reason: str | None
    ) -> store.Stream:
        """The receiver starts or stops its stream (SSF 1.0 section 8.1.2.2).

        Raises:
            StreamStopped: the operator has stopped it.
        """
        if stream.by_operator:
            raise StreamStopped
        changed = self._put_status(connection, stream, status, reason)
        self._record(connection, stream, status, by_receiver=True)
        return changed

    def tell_about(self, connection: Connection, stream: store.Stream, user_id: str, *, told: bool) -> None:
        """Whether the stream is to tell about this person; at first it tells about everybody."""
        if told:
            store.take_in(connection, stream.stream_id, user_id)
        else:
            store.leave_out(connection, stream.stream_id, user_id)

    def pause(self, connection: Connection, stream: store.Stream, reason: str | None) -> None:
        """The operator stops a stream; what is recorded meanwhile waits. Only the operator can start it again."""
        self._impose(connection, msgspec.structs.replace(stream, by_operator=True), "paused", reason)

    def resume(self, connection: Connection, stream: store.Stream) -> None:
        """The operator starts a stream, whoever stopped it."""
        self._impose(connection, msgspec.structs.replace(stream, by_operator=False), "enabled", None)

    def disable_clogged(self, connection: Connection, *, now: datetime) -> None:
        """Disable the streams that nobody reads; part of housekeeping."""
        for stream in store.clogged(connection, before=now - KEPT):
            if stream.status == "disabled":
                store.drop(connection, stream.stream_id)
            else:
                self._impose(connection, stream, "disabled", f"Nothing was taken for {KEPT.days} days.")

    def verify(self, connection: Connection, stream: store.Stream, *, state: str | None) -> None:
        """Let the receiver see that signals arrive (SSF 1.0 section 8.1.4.2).

        Raises:
            InvalidRequest: a stream that is disabled carries nothing.
            TooManyRequests: it asked a moment ago.
        """
        if stream.status == "disabled":
            raise InvalidRequest("the stream is disabled")
        interval = MIN_VERIFICATION_INTERVAL
        if not store.ask(connection, stream.stream_id, now=self._ledger.now(), interval=interval):
            raise TooManyRequests("verified a moment ago", retry_after=int(interval.total_seconds()))
        self._tell(connection, stream, VERIFICATION, {} if state is None else {"state": state})

    def _impose(self, connection: Connection, stream: store.Stream, status: store.Status, reason: str | None) -> None:
        """Change the status without having been asked to: the receiver is told (SSF 1.0 section 8.1.5)."""
        self._put_status(connection, stream, status, reason)
        self._tell(connection, stream, STREAM_UPDATED, {"status": status} | ({"reason": reason} if reason else {}))
        self._record(connection, stream, status, by_receiver=False)

    def _put_status(
        self, connection: Connection, stream: store.Stream, status: store.Status, reason: str | None
    ) -> store.Stream:
        changed = msgspec.structs.replace(stream, status=status, reason=reason, attempts=0)
        store.change(connection, changed)
        if status == "disabled":
            store.drop(connection, stream.stream_id)
        self._bell.recorded = True  # what waited may be sent now
        return changed

    def _tell(self, connection: Connection, stream: store.Stream, kind: str, about: dict[str, Any]) -> None:
        """Say something about the stream itself. Receivers need not have asked for it."""
        now = self._ledger.now()
        signal = security_event(
            kind,
            issuer=self._issuer,
            audience=stream.client_id,
            at=now,
            subject=stream_itself(stream.stream_id),
            about=about,
        )
        store.append(connection, stream.stream_id, signal, now=now)
        self._bell.recorded = True

    def _record(self, connection: Connection, stream: store.Stream, status: str, *, by_receiver: bool) -> None:
        self._ledger.outbox.record(
            connection,
            SignalStreamChanged(
                stream_id=stream.stream_id, client_id=stream.client_id, status=status, by_receiver=by_receiver
            ),
        )
