"""Revocations, which every guard follows: `auth.rev.…`.

`expires_at` is the moment when the last token that a revocation can concern has expired, so a reader may then forget
it. No token is in any of them.
"""

from datetime import datetime

from lib_one.contracts.auth import one_token
from lib_one.event import Contract, contract, subject_token


@contract("token.revoked.v1")
class TokenRevoked(Contract, frozen=True, kw_only=True):
    """One access token, named by its `jti`, is no longer good."""

    token_id: str
    expires_at: datetime

    def subject(self) -> str:
        return f"auth.rev.token.{subject_token(self.token_id)}"

    def aggregate(self) -> str:
        return self.token_id


@contract("grant.revoked.v1")
class GrantRevoked(Contract, frozen=True, kw_only=True):
    """All that came of one grant is no longer good: the refresh family and its access tokens."""

    grant_id: str
    expires_at: datetime

    def subject(self) -> str:
        return f"auth.rev.grant.{subject_token(self.grant_id)}"

    def aggregate(self) -> str:
        return self.grant_id


@contract("session.revoked.v1")
class SessionRevoked(Contract, frozen=True, kw_only=True):
    """All that came of one sign-in is no longer good."""

    session_id: str
    expires_at: datetime

    def subject(self) -> str:
        return f"auth.rev.session.{subject_token(self.session_id)}"

    def aggregate(self) -> str:
        return self.session_id


@contract("subject.revoked.v1")
class SubjectRevoked(Contract, frozen=True, kw_only=True):
    """Whatever was issued to this `sub` up to `not_before` is no longer good."""

    subject_id: str
    not_before: datetime
    expires_at: datetime

    def subject(self) -> str:
        return f"auth.rev.subject.{subject_token(self.subject_id)}"

    def aggregate(self) -> str:
        return self.subject_id


@contract("client.revoked.v1")
class ClientRevoked(Contract, frozen=True, kw_only=True):
    """Whatever was issued to this client up to `not_before` is no longer good."""

    client_id: str
    not_before: datetime
    expires_at: datetime

    def subject(self) -> str:
        return f"auth.rev.client.{one_token(self.client_id)}"

    def aggregate(self) -> str:
        return self.client_id


@contract("key.distrusted.v1")
class KeyDistrusted(Contract, frozen=True, kw_only=True):
    """Nothing that this key signed is good any more."""

    key_id: str
    expires_at: datetime

    def subject(self) -> str:
        return f"auth.rev.key.{subject_token(self.key_id)}"

    def aggregate(self) -> str:
        return self.key_id


@contract("revocation.heartbeat.v1")
class RevocationHeartbeat(Contract, frozen=True, kw_only=True):
    """Every revocation that was committed before `sent_at` lies in the stream before this message."""

    sent_at: datetime

    def subject(self) -> str:
        return "auth.rev.heartbeat"

    def aggregate(self) -> str:
        return "heartbeat"
