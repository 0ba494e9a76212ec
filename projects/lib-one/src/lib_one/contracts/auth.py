"""Facts of auth-svc, the audit trail: `auth.evt.…`. No secret, token, password or e-mail address is in any of them."""

import hashlib
from datetime import datetime

from lib_one.event import Contract, contract, subject_token


def one_token(identifier: str) -> str:
    """One token of a subject. The id of a client can be an https address, which becomes its SHA-256 in hexadecimal."""
    if identifier.startswith("https://"):
        return hashlib.sha256(identifier.encode()).hexdigest()
    return subject_token(identifier)


class AuthFact(Contract, frozen=True, kw_only=True):
    """Common ground of the audit trail: nothing but the way to a subject."""

    def _subject(self, aggregate: str, event: str) -> str:
        return f"auth.evt.{aggregate}.{one_token(self.aggregate())}.{event}"


@contract("user.registered.v1")
class UserRegistered(AuthFact, frozen=True, kw_only=True):
    """Somebody has an account."""

    user_id: str
    username: str
    roles: tuple[str, ...]

    def subject(self) -> str:
        return self._subject("user", "registered")

    def aggregate(self) -> str:
        return self.user_id


@contract("user.disabled.v1")
class UserDisabled(AuthFact, frozen=True, kw_only=True):
    """An account was closed to its owner; a `SubjectRevoked` goes with it."""

    user_id: str

    def subject(self) -> str:
        return self._subject("user", "disabled")

    def aggregate(self) -> str:
        return self.user_id


@contract("user.enabled.v1")
class UserEnabled(AuthFact, frozen=True, kw_only=True):
    """A disabled account is open again."""

    user_id: str

    def subject(self) -> str:
        return self._subject("user", "enabled")

    def aggregate(self) -> str:
        return self.user_id


@contract("user.deleted.v1")
class UserDeleted(AuthFact, frozen=True, kw_only=True):
    """An account is gone, with what was known about the person; a `SubjectRevoked` goes with it."""

    user_id: str

    def subject(self) -> str:
        return self._subject("user", "deleted")

    def aggregate(self) -> str:
        return self.user_id


@contract("user.changed.v1")
class UserChanged(AuthFact, frozen=True, kw_only=True):
    """Tokens say something else about a person from now on."""

    user_id: str
    claims: tuple[str, ...]
    """The names of the claims that have another value: `name`, `email`, `roles`."""

    def subject(self) -> str:
        return self._subject("user", "changed")

    def aggregate(self) -> str:
        return self.user_id


@contract("user.password_changed.v1")
class PasswordChanged(AuthFact, frozen=True, kw_only=True):
    """A person has another password; a `SubjectRevoked` goes with it."""

    user_id: str

    def subject(self) -> str:
        return self._subject("user", "password_changed")

    def aggregate(self) -> str:
        return self.user_id


@contract("user.revoked.v1")
class UserRevoked(AuthFact, frozen=True, kw_only=True):
    """A program had all of a person ended (global token revocation); a `SubjectRevoked` goes with it."""

    user_id: str
    client_id: str
    """The program."""

    def subject(self) -> str:
        return self._subject("user", "revoked")

    def aggregate(self) -> str:
        return self.user_id


@contract("session.started.v1")
class SessionStarted(AuthFact, frozen=True, kw_only=True):
    """Somebody signed in with a browser."""

    session_id: str
    user_id: str
    methods: tuple[str, ...]
    """Authentication methods as in RFC 8176: `pwd`, ..."""

    def subject(self) -> str:
        return self._subject("session", "started")

    def aggregate(self) -> str:
        return self.session_id


@contract("session.ended.v1")
class SessionEnded(AuthFact, frozen=True, kw_only=True):
    """Somebody signed out; a `SessionRevoked` goes with it."""

    session_id: str
    user_id: str

    def subject(self) -> str:
        return self._subject("session", "ended")

    def aggregate(self) -> str:
        return self.session_id


@contract("signin.failed.v1")
class SignInFailed(AuthFact, frozen=True, kw_only=True):
    """A password did not fit, or there is no such user: the same event for both."""

    username_hash: str
    """Keyed hash of what was typed: people type passwords into this field."""

    def subject(self) -> str:
        return self._subject("signin", "failed")

    def aggregate(self) -> str:
        return self.username_hash


@contract("client.registered.v1")
class ClientRegistered(AuthFact, frozen=True, kw_only=True):
    """An application may now ask for tokens."""

    client_id: str
    confidential: bool
    grant_types: tuple[str, ...]

    def subject(self) -> str:
        return self._subject("client", "registered")

    def aggregate(self) -> str:
        return self.client_id


@contract("authentication.requested.v1")
class AuthenticationRequested(AuthFact, frozen=True, kw_only=True):
    """An application asks a person who is not at it; they decide on the page of requests (CIBA)."""

    request_id: str
    client_id: str
    user_id: str
    expires_at: datetime

    def subject(self) -> str:
        return self._subject("user", "authentication_requested")

    def aggregate(self) -> str:
        return self.user_id


@contract("client.changed.v1")
class ClientChanged(AuthFact, frozen=True, kw_only=True):
    """An application changed what is registered of it."""

    client_id: str

    def subject(self) -> str:
        return self._subject("client", "changed")

    def aggregate(self) -> str:
        return self.client_id


@contract("client.deleted.v1")
class ClientDeleted(AuthFact, frozen=True, kw_only=True):
    """An application ended its registration; a `ClientRevoked` goes with it."""

    client_id: str

    def subject(self) -> str:
        return self._subject("client", "deleted")

    def aggregate(self) -> str:
        return self.client_id


@contract("client.secret_added.v1")
class ClientSecretAdded(AuthFact, frozen=True, kw_only=True):
    """A client has another secret."""

    client_id: str
    credential_id: str
    """Of the secret, which itself is in no event."""
    expires_at: datetime | None
    """None: never."""
    others_end_at: datetime
    """When the secrets that it had before are no longer good."""

    def subject(self) -> str:
        return self._subject("client", "secret_added")

    def aggregate(self) -> str:
        return self.client_id


@contract("client.secret_removed.v1")
class ClientSecretRemoved(AuthFact, frozen=True, kw_only=True):
    """A secret of a client is no longer good."""

    client_id: str
    credential_id: str
    """Of the secret, which itself is in no event."""

    def subject(self) -> str:
        return self._subject("client", "secret_removed")

    def aggregate(self) -> str:
        return self.client_id


@contract("consent.granted.v1")
class ConsentGranted(AuthFact, frozen=True, kw_only=True):
    """A user let a client act for them: a grant begins."""

    grant_id: str
    user_id: str
    client_id: str
    scope: str

    def subject(self) -> str:
        return self._subject("grant", "consented")

    def aggregate(self) -> str:
        return self.grant_id


@contract("token.issued.v1")
class TokenIssued(AuthFact, frozen=True, kw_only=True):
    """An access token left the house."""

    token_id: str
    client_id: str
    subject_id: str
    grant_type: str
    scope: str
    expires_at: datetime
    grant_id: str | None = None
    actor_id: str | None = None
    """Who acts for the subject, where a token was exchanged (RFC 8693)."""

    def subject(self) -> str:
        return self._subject("token", "issued")

    def aggregate(self) -> str:
        return self.token_id


@contract("refresh_token.reused.v1")
class RefreshTokenReused(AuthFact, frozen=True, kw_only=True):
    """A refresh token that had been rotated away came back: the whole family was revoked (RFC 9700 section 4.14)."""

    grant_id: str
    client_id: str

    def subject(self) -> str:
        return self._subject("grant", "refresh_token_reused")

    def aggregate(self) -> str:
        return self.grant_id


@contract("delivery.made.v1")
class DeliveryMade(AuthFact, frozen=True, kw_only=True):
    """A client has taken a message, such as that a sign-in is over, or is no longer to be told."""

    delivery_id: str
    kind: str
    client_id: str
    attempts: int

    def subject(self) -> str:
        return self._subject("delivery", "made")

    def aggregate(self) -> str:
        return self.delivery_id


@contract("delivery.abandoned.v1")
class DeliveryAbandoned(AuthFact, frozen=True, kw_only=True):
    """A client did not take a message for so long that it is not tried any more."""

    delivery_id: str
    kind: str
    client_id: str
    attempts: int
    problem: str
    """Of the last attempt: the status of its answer, or the kind of failure."""

    def subject(self) -> str:
        return self._subject("delivery", "abandoned")

    def aggregate(self) -> str:
        return self.delivery_id
