"""Who is trusted to vouch for people: a JSON file that an operator writes, read at start.

[{"issuer": "https://login.example", "jwks": {"keys": [{"kty": "EC", …}]}, "clients": ["intranet"],
  "scope": "shipments:read", "subjects": {"their-id-of-clara": "clara"}}]
"""

from pathlib import Path
from typing import Any

import msgspec

from auth_svc.keys import FOREIGN_ALGORITHMS, JwkError, PublicKey, public_key


class TrustedIssuersError(Exception):
    """The file of trusted issuers cannot be read or does not have the shape; the message says why."""


class TrustedIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may say who a person is."""

    issuer: str
    jwks: dict[str, Any]
    """Its public keys (RFC 7517 section 5)."""
    clients: tuple[str, ...]
    """Who may show what it signs."""
    scope: str
    """All that an assertion of it can give, separated by spaces."""
    subjects: dict[str, str] | None = None
    """Its name of a person → ours; None: they are the same."""
    algorithms: tuple[str, ...] = FOREIGN_ALGORITHMS
    """What it may sign with."""

    @property
    def keys(self) -> list[tuple[str | None, PublicKey]]:
        """The keys with their ids.

        Raises:
            JwkError: one of them is none, or there is none.
        """
        listed = self.jwks.get("keys")
        if not isinstance(listed, list) or not listed or not all(isinstance(jwk, dict) for jwk in listed):
            raise JwkError("jwks has no keys")
        return [(jwk.get("kid"), public_key(jwk)) for jwk in listed]


def read_trusted_issuers(file: Path | None) -> dict[str, TrustedIssuer]:
    """Read the file: issuers by their name; nobody is trusted without one.

    Raises:
        TrustedIssuersError: unreadable, another shape, one issuer twice, or a key that is none.
    """
    if file is None:
        return {}
    try:
        listed = msgspec.json.decode(file.read_bytes(), type=list[TrustedIssuer])
    except OSError as error:
        raise TrustedIssuersError(f"cannot read the trusted issuers {file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise TrustedIssuersError(f"the trusted issuers {file} do not have the shape: {error}") from error
    found: dict[str, TrustedIssuer] = {}
    for trusted in listed:
        if trusted.issuer in found:
            raise TrustedIssuersError(f"the trusted issuers {file}: {trusted.issuer} is there twice")
        try:
            _ = trusted.keys
        except JwkError as error:
            raise TrustedIssuersError(f"the trusted issuers {file}: {trusted.issuer}: {error}") from error
        found[trusted.issuer] = trusted
    return found
