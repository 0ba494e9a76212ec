"""Facts about the signing keys of auth-svc (`auth.evt.key.…`). That a key was lost is among the revocations."""

from datetime import datetime

from lib_one.contracts.auth import AuthFact
from lib_one.event import contract


@contract("key.announced.v1")
class SigningKeyAnnounced(AuthFact, frozen=True, kw_only=True):
    """A key is published from now on, and signs later."""

    key_id: str
    """RFC 7638 thumbprint: the `kid` of what it signs."""
    algorithm: str
    active_at: datetime
    """When it begins to sign, in place of the key of this algorithm that signed before."""

    def subject(self) -> str:
        return self._subject("key", "announced")

    def aggregate(self) -> str:
        return self.key_id


@contract("key.retired.v1")
class SigningKeyRetired(AuthFact, frozen=True, kw_only=True):
    """A key is no longer published: another one signs, and nothing that this one signed is of use any more."""

    key_id: str
    algorithm: str

    def subject(self) -> str:
        return self._subject("key", "retired")

    def aggregate(self) -> str:
        return self.key_id
