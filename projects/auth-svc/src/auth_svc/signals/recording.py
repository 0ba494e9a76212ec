"""From facts to signals: what happened to a person waits in every stream that tells of it, from that transaction on."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from auth_svc import clients, users
from auth_svc.clients import Client
from auth_svc.db import Connection, Ledger
from auth_svc.signals import store
from auth_svc.signals.bell import Bell
from auth_svc.signals.events import (
    ACCOUNT_DISABLED,
    ACCOUNT_ENABLED,
    ACCOUNT_PURGED,
    CREDENTIAL_CHANGE,
    SESSION_REVOKED,
    TOKEN_CLAIMS_CHANGE,
    person,
    security_event,
)
from auth_svc.subjects import Subjects, could_be_pairwise
from lib_one.contracts.auth import (
    ClientDeleted,
    PasswordChanged,
    SessionEnded,
    UserChanged,
    UserDeleted,
    UserDisabled,
    UserEnabled,
)
from lib_one.contracts.revocation import SubjectRevoked
from lib_one.event import Event

type About = Mapping[str, Any]
"""The claims of an event, beside when it was."""
type AboutFor = Callable[[Client], About | None]
"""What this receiver is told; None: nothing."""


def _because(reason: str, **claims: Any) -> AboutFor:
    about = claims | {"reason_admin": {"en": reason}}
    return lambda _client: about


_SIGNED_OUT = _because("The sign-in is over.")
_ALL_OVER = _because("All that was issued to this person was revoked, and every sign-in ended.")
_OTHER_PASSWORD = _because("The person has another password.", credential_type="password", change_type="update")


def _simply(_client: Client) -> About:
    return {}


class Recorder:
    """Listens to the outbox. A receiver hears of a person under the `sub` that it knows them by."""

    def __init__(self, ledger: Ledger, subjects: Subjects, bell: Bell, *, issuer: str) -> None:
        self._subjects = subjects
        self._bell = bell
        self._issuer = issuer
        for kind, listener in (
            (SessionEnded, self._session_ended),
            (SubjectRevoked, self._subject_revoked),
            (PasswordChanged, self._password_changed),
            (UserChanged, self._user_changed),
            (UserDisabled, self._user_disabled),
            (UserEnabled, self._user_enabled),
            (UserDeleted, self._user_deleted),
            (ClientDeleted, self._client_deleted),
        ):
            ledger.outbox.listen(kind, listener)

    def _session_ended(self, connection: Connection, event: Event) -> None:
        fact = cast("SessionEnded", event.data)
        self._tell(connection, event, fact.user_id, SESSION_REVOKED, _SIGNED_OUT, session_id=fact.session_id)

    def _subject_revoked(self, connection: Connection, event: Event) -> None:
        name = cast("SubjectRevoked", event.data).subject_id
        # The fact is there once for each `sub` of the person; the user id is one of them, always.
        if not could_be_pairwise(name):
            self._tell(connection, event, name, SESSION_REVOKED, _ALL_OVER)

    def _password_changed(self, connection: Connection, event: Event) -> None:
        fact = cast("PasswordChanged", event.data)
        self._tell(connection, event, fact.user_id, CREDENTIAL_CHANGE, _OTHER_PASSWORD)

    def _user_changed(self, connection: Connection, event: Event) -> None:
        fact = cast("UserChanged", event.data)
        user = users.find(connection, fact.user_id)

        def about(client: Client) -> About | None:
            # Nobody learns more from a change than from a token.
            known = frozenset(fact.claims) & frozenset(users.claims_of_scopes(client.scopes))
            claims = {} if user is None else users.claims_about(user, known)
            return {"claims": claims} if claims else None

        self._tell(connection, event, fact.user_id, TOKEN_CLAIMS_CHANGE, about)

    def _user_disabled(self, connection: Connection, event: Event) -> None:
        self._tell(connection, event, cast("UserDisabled", event.data).user_id, ACCOUNT_DISABLED, _simply)

    def _user_enabled(self, connection: Connection, event: Event) -> None:
        self._tell(connection, event, cast("UserEnabled", event.data).user_id, ACCOUNT_ENABLED, _simply)

    def _user_deleted(self, connection: Connection, event: Event) -> None:
        self._tell(connection, event, cast("UserDeleted", event.data).user_id, ACCOUNT_PURGED, _simply)

    def _client_deleted(self, connection: Connection, event: Event) -> None:
        stream = store.of_client(connection, cast("ClientDeleted", event.data).client_id)
        if stream is not None:
            store.remove(connection, stream.stream_id)

    def _tell(
        self,
        connection: Connection,
        event: Event,
        user_id: str,
        kind: str,
        about: AboutFor,
        *,
        session_id: str | None = None,
    ) -> None:
        for stream in store.everything(connection):
            if stream.status == "disabled" or kind not in stream.events_delivered:
                continue
            client = clients.find(connection, stream.client_id)
            if client is None or client.disabled or not store.tells_about(connection, stream.stream_id, user_id):
                continue
            told = about(client)
            if told is None:
                continue
            subject = self._subjects.shown_to(connection, client, user_id)
            signal = security_event(
                kind,
                issuer=self._issuer,
                audience=stream.client_id,
                at=event.time,
                subject=person(self._issuer, subject, session_id=session_id),
                about={"event_timestamp": int(event.time.timestamp()), **told},
                cause=event.id,
            )
            store.append(connection, stream.stream_id, signal, now=event.time)
            self._bell.recorded = True
