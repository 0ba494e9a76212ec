"""The secrets of endpoints: sealed at rest, since each message is signed with them."""

from datetime import datetime, timedelta

import msgspec

from lib_one.secret_key import SecretKey
from lib_one.webhook_signature import new_secret
from lib_one.webhooks.flow import Endpoint

_PURPOSE = "webhook secrets"


class Secrets:
    """Makes, changes and opens them."""

    def __init__(self, key: SecretKey) -> None:
        self._key = key

    def make(self) -> tuple[str, bytes]:
        """A new secret, and what is kept of it."""
        secret = new_secret()
        return secret, self._key.seal(secret.encode(), purpose=_PURPOSE)

    def rotate(self, endpoint: Endpoint, *, now: datetime, overlap: timedelta) -> tuple[str, Endpoint]:
        """Give an endpoint another secret; the one that it had signs beside it for a while. One before that ends."""
        secret, sealed = self.make()
        old = endpoint.secret_sealed if overlap else None
        until = now + overlap if overlap else None
        return secret, msgspec.structs.replace(
            endpoint, secret_sealed=sealed, old_secret_sealed=old, old_secret_until=until
        )

    def of(self, endpoint: Endpoint, *, now: datetime) -> list[str]:
        """What signs a message to it now, the newest first."""
        sealed = [endpoint.secret_sealed]
        if endpoint.old_secret_sealed and endpoint.old_secret_until and endpoint.old_secret_until > now:
            sealed.append(endpoint.old_secret_sealed)
        return [self._key.unseal(each, purpose=_PURPOSE).decode() for each in sealed]
